{#-
  What trailing_windows must add up to answer the features asked for: running sums (one per column and window, shared
  between features), running extremes, and per feature an expression over them.
-#}
{% macro _window_plan(features) -%}
    {%- set plan = {'sums': [], 'extremes': [], 'expressions': {}, 'windows': []} -%}
    {%- set state = namespace(unbounded=false, first_of_tile=false, longest=none) -%}
    {%- set allowed = ['sum', 'avg', 'std', 'max', 'min', 'tiles', 'per', 'squares', 'window'] -%}
    {%- for name, spec in features.items() -%}
        {%- for word in spec if word not in allowed -%}
            {{ fsync._bad_window(name, "'" ~ word ~ "' is none of " ~ allowed | join(', ')) }}
        {%- endfor -%}
        {%- set window = spec.get('window') -%}
        {%- if window -%}
            {%- if window not in plan.windows -%} {%- do plan.windows.append(window) -%} {%- endif -%}
            {%- if state.longest is none or fsync.duration_seconds(window) > fsync.duration_seconds(state.longest) -%}
                {%- set state.longest = window -%}
            {%- endif -%}
        {%- else -%}
            {%- set state.unbounded = true -%}
        {%- endif -%}

        {%- if 'sum' in spec -%}
            {%- do plan.expressions.update({name: fsync._window_sum(plan, spec['sum'], window)}) -%}
        {%- elif 'tiles' in spec -%}
            {%- set state.first_of_tile = true -%}
            {%- do plan.expressions.update({name: fsync._window_sum(plan, 'first_of_tile', window)}) -%}
        {%- elif 'avg' in spec or 'std' in spec -%}
            {%- if 'per' not in spec or ('std' in spec and 'squares' not in spec) -%}
                {{ fsync._bad_window(name, "avg needs `per`, std needs `per` and `squares`: the tile columns that hold the count and the sum of squares") }}
            {%- endif -%}
            {%- set total = fsync._window_sum(plan, spec.get('avg') or spec.get('std'), window) -%}
            {%- set count = fsync._window_sum(plan, spec['per'], window) -%}
            {%- if 'avg' in spec -%}
                {%- set expression -%} cast({{ total }} as {{ fsync.type_double() }}) / nullif({{ count }}, 0) {%- endset -%}
            {%- else -%}
                {%- set squares = fsync._window_sum(plan, spec['squares'], window) -%}
                {#- Sample standard deviation. In doubles, as the products outgrow 64-bit integers; never below zero by rounding. -#}
                {%- set double = fsync.type_double() -%}
                {%- set expression -%}
        case when {{ count }} > 1 then sqrt(greatest(0, cast({{ count }} as {{ double }}) * {{ squares }} - cast({{ total }} as {{ double }}) * {{ total }}) / {{ count }} / ({{ count }} - 1)) end
                {%- endset -%}
            {%- endif -%}
            {%- do plan.expressions.update({name: expression | trim}) -%}
        {%- elif 'max' in spec or 'min' in spec -%}
            {%- if window -%}
                {{ fsync._bad_window(name, "max and min run over all time: a value that leaves a window cannot be subtracted from them") }}
            {%- endif -%}
            {%- set aggregate = 'max' if 'max' in spec else 'min' -%}
            {%- set column = 'extreme_' ~ plan.extremes | length -%}
            {%- do plan.extremes.append({'name': column, 'aggregate': aggregate, 'column': spec[aggregate]}) -%}
            {%- do plan.expressions.update({name: column}) -%}
        {%- else -%}
            {{ fsync._bad_window(name, 'it names no aggregate: one of sum, avg, std, max, min, tiles') }}
        {%- endif -%}
    {%- endfor -%}
    {%- do plan.update({'unbounded': state.unbounded, 'first_of_tile': state.first_of_tile, 'longest': state.longest}) -%}
    {{ return(plan) }}
{%- endmacro %}

{% macro _window_sum(plan, column, window) -%}
    {%- for sum in plan.sums if sum.column == column and sum.window == window -%}
        {{ return(sum.name) }}
    {%- endfor -%}
    {%- set name = 'sum_' ~ plan.sums | length -%}
    {%- do plan.sums.append({'name': name, 'column': column, 'window': window}) -%}
    {{ return(name) }}
{%- endmacro %}

{% macro _bad_window(name, why) -%}
    {{ exceptions.raise_compiler_error("trailing_windows: feature '" ~ name ~ "': " ~ why) }}
{%- endmacro %}

{#-
  What trailing_windows must keep to answer the features asked for: slots, shared between features where they are the
  same, and per feature an expression over them.

    sum       adds a tile's value when the tile enters, takes it away when it leaves
    distinct  counts the values that at least one tile of the window holds
    extreme   greatest or least value in the window, which cannot be taken away
    pick      first or last value: the tile of the least or greatest rank, which is an extreme
-#}
{% macro _window_plan(features, tile, late=true) -%}
    {%- set plan = {'late': late, 'slots': [], 'firsts': [], 'picks': [], 'expressions': {}, 'windows': []} -%}
    {%- for name, spec in features.items() -%}
        {%- do fsync._check_window(name, spec, tile) -%}
        {%- if spec.window and spec.window not in plan.windows -%} {%- do plan.windows.append(spec.window) -%} {%- endif -%}
        {%- do plan.expressions.update({name: fsync._window_expression(plan, spec)}) -%}
    {%- endfor -%}
    {%- set looked_up = plan.slots | selectattr('kind', 'equalto', 'extreme') | selectattr('window') | list -%}
    {%- do plan.update({
        'unbounded': features.values() | rejectattr('window', 'defined') | list | length > 0,
        'longest': fsync._longest(plan.windows),
        'distincts': plan.slots | selectattr('kind', 'equalto', 'distinct') | list,
        'looked_up': looked_up,
        'frames': looked_up | map(attribute='window') | unique | list,
        'longest_looked_up': fsync._longest(looked_up | map(attribute='window')),
    }) -%}
    {{ return(plan) }}
{%- endmacro %}

{% macro _check_window(name, spec, tile) -%}
    {%- set aggregates = ['sum', 'count', 'avg', 'std', 'min', 'max', 'first', 'last', 'count_distinct', 'approx_distinct', 'tiles'] -%}
    {%- set options = ['window', 'where', 'per', 'squares', 'by', 'type'] -%}
    {%- for word in spec if word not in aggregates + options -%}
        {{ fsync._bad_window(name, "'" ~ word ~ "' is none of " ~ (aggregates + options) | join(', ')) }}
    {%- endfor -%}
    {%- if spec | select('in', aggregates) | list | length != 1 -%}
        {{ fsync._bad_window(name, 'it needs one aggregate of ' ~ aggregates | join(', ')) }}
    {%- endif -%}
    {%- if ('avg' in spec or 'std' in spec) and 'per' not in spec or 'std' in spec and 'squares' not in spec -%}
        {{ fsync._bad_window(name, 'avg needs `per`, std needs `per` and `squares`: the tile columns that hold the count and the sum of squares') }}
    {%- endif -%}
    {%- if 'window' in spec -%}
        {%- if not modules.re.fullmatch('[0-9]+[hd]', spec.window | string) -%}
            {{ fsync._bad_window(name, "a window is a number of hours or days, as in '36h' or '7d'; got '" ~ spec.window ~ "'") }}
        {%- endif -%}
        {%- if fsync.duration_seconds(spec.window) < [1, fsync.duration_seconds(tile)] | max -%}
            {{ fsync._bad_window(name, 'a window of ' ~ spec.window ~ ' is shorter than its tiles, ' ~ tile) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro _window_expression(plan, spec) -%}
    {%- set double = fsync.type_double() -%}
    {%- if 'sum' in spec or 'count' in spec -%}
        {{ return(fsync._window_sum(plan, spec, spec.sum or spec.count)) }}
    {%- elif 'tiles' in spec -%}
        {{ return(fsync._window_sum(plan, {'window': spec.window}, fsync._first_of_tile(plan, spec.where))) }}
    {%- elif 'avg' in spec -%}
        {%- set total, count = fsync._window_sum(plan, spec, spec.avg), fsync._window_sum(plan, spec, spec.per) -%}
        {{ return('cast(' ~ total ~ ' as ' ~ double ~ ') / nullif(' ~ count ~ ', 0)') }}
    {%- elif 'std' in spec -%}
        {%- set total, count = fsync._window_sum(plan, spec, spec.std), fsync._window_sum(plan, spec, spec.per) -%}
        {%- set squares = fsync._window_sum(plan, spec, spec.squares) -%}
        {#- Sample standard deviation. In doubles, as the products outgrow 64-bit integers; never below zero by rounding. -#}
        {%- set products = 'cast(' ~ count ~ ' as ' ~ double ~ ') * ' ~ squares ~ ' - cast(' ~ total ~ ' as ' ~ double ~ ') * ' ~ total -%}
        {{ return('case when ' ~ count ~ ' > 1 then sqrt(greatest(0, ' ~ products ~ ') / ' ~ count ~ ' / (' ~ count ~ ' - 1)) end') }}
    {%- elif 'count_distinct' in spec or 'approx_distinct' in spec -%}
        {%- set value = fsync._where(spec, spec.count_distinct or spec.approx_distinct) -%}
        {{ return(fsync._slot(plan, {'kind': 'distinct', 'value': value, 'window': spec.window}).name) }}
    {%- elif 'min' in spec or 'max' in spec -%}
        {%- set aggregate = 'max' if 'max' in spec else 'min' -%}
        {{ return(fsync._window_extreme(plan, aggregate, fsync._where(spec, spec[aggregate]), spec.window)) }}
    {%- else -%}
        {%- set pick = fsync._window_pick(plan, spec) -%}
        {{ return(pick.name ~ '.picked') }}
    {%- endif -%}
{%- endmacro %}

{% macro _window_sum(plan, spec, column) -%}
    {%- set type = dbt.type_numeric() if spec.type == 'numeric' else dbt.type_bigint() -%}
    {%- set value = 'coalesce(' ~ fsync._where(spec, column) ~ ', 0)' -%}
    {%- if spec.type == 'numeric' -%} {%- set value = 'cast(' ~ value ~ ' as ' ~ type ~ ')' -%} {%- endif -%}
    {{ return(fsync._slot(plan, {'kind': 'sum', 'value': value, 'window': spec.window, 'type': type}).name) }}
{%- endmacro %}

{% macro _window_extreme(plan, aggregate, value, window) -%}
    {%- set slot = fsync._slot(plan, {'kind': 'extreme', 'aggregate': aggregate, 'value': value, 'window': window}) -%}
    {%- if not window or not plan.late -%} {{ return(slot.name) }} {%- endif -%}
    {%- set better = 'greatest' if aggregate == 'max' else 'least' -%}
    {{ return('coalesce(' ~ better ~ '(' ~ slot.name ~ ', late_' ~ slot.name ~ '), ' ~ slot.name ~ ', late_' ~ slot.name ~ ')') }}
{%- endmacro %}

{#- The tiles' ranks settle the order among late ones too: by `by`, then arrival, then the value itself. -#}
{% macro _window_pick(plan, spec) -%}
    {%- set value = fsync._where(spec, spec.first if 'first' in spec else spec.last) -%}
    {%- set pick = {'value': value, 'by': spec.by or 'tile_start'} -%}
    {%- do pick.update({'rank': 'rank_' ~ plan.picks | length, 'name': 'pick_' ~ plan.picks | length}) -%}
    {%- do pick.update({'chosen': fsync._window_extreme(plan, 'min' if 'first' in spec else 'max', pick.rank, spec.window)}) -%}
    {%- do plan.picks.append(pick) -%}
    {{ return(pick) }}
{%- endmacro %}

{% macro _first_of_tile(plan, where) -%}
    {%- for first in plan.firsts if first.where == where -%} {{ return(first.name) }} {%- endfor -%}
    {%- set name = 'first_of_tile_' ~ plan.firsts | length -%}
    {%- do plan.firsts.append({'name': name, 'where': where}) -%}
    {{ return(name) }}
{%- endmacro %}

{% macro _slot(plan, wanted) -%}
    {%- for slot in plan.slots -%}
        {%- if dict(slot, name='') == dict(wanted, name='') -%} {{ return(slot) }} {%- endif -%}
    {%- endfor -%}
    {%- do wanted.update({'name': wanted.kind ~ '_' ~ plan.slots | length}) -%}
    {%- do plan.slots.append(wanted) -%}
    {{ return(wanted) }}
{%- endmacro %}

{% macro _where(spec, column) -%}
    {{ return('case when ' ~ spec.where ~ ' then ' ~ column ~ ' end' if spec.where else column) }}
{%- endmacro %}

{% macro _longest(windows) -%}
    {%- set state = namespace(longest=none) -%}
    {%- for window in windows if state.longest is none or fsync.duration_seconds(window) > fsync.duration_seconds(state.longest) -%}
        {%- set state.longest = window -%}
    {%- endfor -%}
    {{ return(state.longest) }}
{%- endmacro %}

{% macro _bad_window(name, why) -%}
    {{ exceptions.raise_compiler_error("trailing_windows: feature '" ~ name ~ "': " ~ why) }}
{%- endmacro %}

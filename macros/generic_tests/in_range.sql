{#- Every value lies between `min` and `max`, both included; NULL passes, NaN does not. -#}
{% test in_range(model, column_name, min=none, max=none) %}
    {%- if min is none and max is none -%}
        {{ exceptions.raise_compiler_error("in_range on '" ~ column_name ~ "' needs min, max or both") }}
    {%- endif %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} is not null
        and not (
            {%- if min is not none %} {{ column_name }} >= {{ min }} {%- endif %}
            {%- if min is not none and max is not none %} and {%- endif %}
            {%- if max is not none %} {{ column_name }} <= {{ max }} {%- endif %} )
{% endtest %}

{#- The model has exactly as many rows as another: a join that loses or repeats rows fails. -#}
{% test same_rows_as(model, other) %}
    with counts as (

        select
            (select count(*) from {{ model }}) as found,
            (select count(*) from {{ other }}) as expected

    )

    select *
    from counts
    where found != expected
{% endtest %}

{#-
  The newest `column_name` is at most `within` older than the newest of another relation: a view that stopped following its
  events fails, a quiet data set does not.
-#}
{% test fresh_within(model, column_name, within, newest_of, newest_column) %}
    with newest as (

        select
            (select max({{ column_name }}) from {{ model }}) as found,
            (select max({{ newest_column }}) from {{ newest_of }}) as expected

    )

    select *
    from newest
    where found is null
        or found < {{ fsync.before('expected', within) }}
{% endtest %}

with windows as (

    {{ trailing_windows(
        tiles=ref('int_player_days'),
        keys=['player_id'],
        until=watermark(),
        features={
            'revenue_micros_total': {'sum': 'revenue_micros'},
            'revenue_micros_last_30d': {'sum': 'revenue_micros', 'window': '30d'},
            'purchases_total': {'sum': 'purchases'},
            'purchases_last_7d': {'sum': 'purchases', 'window': '7d'},
            'purchases_last_30d': {'sum': 'purchases', 'window': '30d'},
            'ads_watched_last_7d': {'sum': 'ads_watched', 'window': '7d'},
            'ad_revenue_micros_last_30d': {'sum': 'ad_revenue_micros', 'window': '30d'}
        }
    ) | indent(4) }}

)

select
    player_id,
    event_timestamp,
    created_timestamp,
    revenue_micros_total / 1000000.0 as revenue_total,
    revenue_micros_last_30d / 1000000.0 as revenue_last_30d,
    purchases_total,
    purchases_last_30d,
    cast(case when purchases_last_7d > 0 then 1 else 0 end as {{ dbt.type_bigint() }}) as purchased_last_week,
    ads_watched_last_7d,
    ad_revenue_micros_last_30d / 1000000.0 as ad_revenue_last_30d,
    case
        when revenue_micros_total >= 100000000 then 'platinum'
        when revenue_micros_total >= 20000000 then 'gold'
        when revenue_micros_total > 0 then 'silver'
        else 'free'
    end as player_tier,
    case
        when revenue_micros_last_30d >= 50000000 then 'whale'
        when revenue_micros_last_30d >= 10000000 then 'dolphin'
        when revenue_micros_last_30d > 0 then 'minnow'
        else 'non_payer'
    end as monetization_tier
from windows

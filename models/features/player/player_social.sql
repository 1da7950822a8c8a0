with windows as (

    {{ trailing_windows(
        tiles=ref('int_player_days'),
        keys=['player_id'],
        until=watermark(),
        features={
            'messages_sent_last_7d': {'sum': 'messages_sent', 'window': '7d'},
            'messages_sent_last_30d': {'sum': 'messages_sent', 'window': '30d'},
            'gifts_sent_last_30d': {'sum': 'gifts_sent', 'window': '30d'},
            'friends_invited_last_30d': {'sum': 'friends_invited', 'window': '30d'},
            'groups_joined_total': {'sum': 'groups_joined'},
            'groups_joined_last_30d': {'sum': 'groups_joined', 'window': '30d'}
        }
    ) | indent(4) }}

)

select
    player_id,
    event_timestamp,
    created_timestamp,
    messages_sent_last_7d,
    gifts_sent_last_30d,
    friends_invited_last_30d,
    groups_joined_total,
    -- Acts weighted by effort, saturating: 0 without any, 0.5 at about seven points a month.
    1 - exp(-(
        messages_sent_last_30d
        + 2 * gifts_sent_last_30d
        + 3 * friends_invited_last_30d
        + 5 * groups_joined_last_30d
    ) / 10.0) as social_engagement_score
from windows

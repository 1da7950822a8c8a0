create macro param(name, text, whole, fraction) as
    {
        'key': name,
        'value': {
            'string_value': text::varchar,
            'int_value': whole::bigint,
            'float_value': null::double,
            'double_value': fraction::double
        }
    };

create macro text_param(name, text) as param(name, text, null, null);

create macro int_param(name, number) as param(name, null, number, null);

create macro double_param(name, number) as param(name, null, null, number);

create macro property(name, text, set_us) as
    {
        'key': name,
        'value': {
            'string_value': text::varchar,
            'int_value': null::bigint,
            'float_value': null::double,
            'double_value': null::double,
            'set_timestamp_micros': set_us::bigint
        }
    };

create macro export_rows(since_us, until_us) as table
with priced as (

    select
        *,
        int_param('ga_session_id', start_us // 1000000) as session_param,
        int_param('ga_session_number', session_number) as number_param,
        floor(1 + 3 * pace * pow(session_number - 1 + action / (actions + 2), 0.7))::bigint as level,
        case event_name
            when 'in_app_purchase'
                then choose(event_h, 10, [0.99, 0.99, 1.99, 1.99, 4.99, 4.99, 9.99, 19.99, 49.99])::double
            when 'ad_reward'
                then round(exp(-4.8 + 0.6 * normal(event_h, 10)), 6)
        end as value_in_usd
    from uploads(since_us, until_us)

)

select
    strftime(make_timestamp(event_us), '%Y%m%d') as event_date,
    event_us as event_timestamp,
    event_name,
    case event_name
        when 'user_engagement' then [
            session_param,
            number_param,
            int_param('engagement_time_msec', case
                when action > actions then floor(length_us * (0.6 + 0.25 * uniform(event_h, 11)) / 1000)
                else floor(gap_us * (0.4 + 0.5 * uniform(event_h, 11)) / 1000)
            end)
        ]
        when 'level_start' then [
            session_param,
            number_param,
            text_param('level_name', format('level_{:03d}', level)),
            int_param('level', level)
        ]
        when 'level_end' then [
            session_param,
            number_param,
            text_param('level_name', format('level_{:03d}', level)),
            int_param('level', level),
            -- Real exports mix both.
            case
                when uniform(event_h, 12) < 0.06 then text_param('success', success)
                else int_param('success', success::int)
            end
        ]
        when 'level_up' then [
            session_param,
            number_param,
            int_param('level', level + 1),
            text_param('character', choose(session_h, 13, ['knight', 'ranger', 'mage', 'rogue']))
        ]
        when 'post_score' then [
            session_param,
            number_param,
            int_param('score', floor(100 * (1 + ln(level)) * (0.5 + skill) * (0.6 + 0.8 * uniform(event_h, 14)))),
            int_param('level', level)
        ]
        when 'unlock_achievement' then [
            session_param,
            number_param,
            text_param('achievement_id', format('achievement_{:02d}', 1 + below(event_h, 15, 40)))
        ]
        when 'match_end' then [
            session_param,
            number_param,
            text_param('game_mode', case
                when uniform(event_h, 16) < 0.7 then favourite_mode
                else choose(event_h, 17, ['competitive', 'casual', 'social'])
            end),
            int_param('won', (uniform(event_h, 18) < 0.15 + 0.7 * skill)::int),
            int_param('score', floor(1000 * (0.3 + skill) * (0.4 + 1.2 * uniform(event_h, 19))))
        ]
        when 'in_app_purchase' then [
            session_param,
            number_param,
            text_param('product_id', choose(event_h, 20, ['gems', 'starter_pack', 'season_pass', 'skin'])),
            double_param('price', value_in_usd),
            text_param('currency', 'USD'),
            int_param('quantity', 1)
        ]
        when 'ad_reward' then [
            session_param,
            number_param,
            text_param('ad_unit_name', choose(event_h, 21, ['extra_life', 'double_coins', 'daily_chest'])),
            double_param('value', value_in_usd),
            text_param('currency', 'USD')
        ]
        when 'join_group' then [
            session_param,
            number_param,
            text_param('group_id', format('group_{:03d}', below(event_h, 22, 200)))
        ]
        when 'friend_invite' then [
            session_param,
            number_param,
            text_param('method', choose(event_h, 23, ['link', 'contacts', 'qr']))
        ]
        when 'send_message' then [
            session_param,
            number_param,
            text_param('channel', choose(event_h, 24, ['group', 'group', 'direct', 'global']))
        ]
        when 'send_gift' then [
            session_param,
            number_param,
            text_param('item_id', choose(event_h, 25, ['rose', 'potion', 'coin_bag', 'shield']))
        ]
        when 'feature_used' then [
            session_param,
            number_param,
            text_param('feature_name', choose(event_h, 26, [
                'inventory', 'inventory', 'shop', 'shop', 'quests', 'quests', 'leaderboard', 'replay', 'settings',
                'photo_mode'
            ]))
        ]
        else [session_param, number_param]
    end as event_params,
    session_number * 16 + action // 4 as event_bundle_sequence_id,
    offset_us as event_server_timestamp_offset,
    value_in_usd as event_value_in_usd,
    user_id,
    user_pseudo_id,
    [
        case
            when event_us < difficulty_changed_us then property('difficulty', first_difficulty, joined_us)
            else property('difficulty', next_difficulty, difficulty_changed_us)
        end,
        property('marketing_consent', marketing_consent, joined_us)
    ] as user_properties,
    joined_us as user_first_touch_timestamp,
    {
        'category': case when model = 'iPad Air' then 'tablet' else 'mobile' end,
        'mobile_brand_name': case
            when ios then 'Apple'
            when model like 'Galaxy%' then 'Samsung'
            when model like 'Redmi%' then 'Xiaomi'
            when model like 'Pixel%' then 'Google'
            else 'Motorola'
        end,
        'mobile_model_name': model,
        'operating_system': case when ios then 'IOS' else 'ANDROID' end,
        'operating_system_version': os_version,
        'language': language
    } as device,
    geo,
    {
        'id': 'com.example.arcade',
        'version': format('{}.{}.0', release // 20, release % 20)
    } as app_info,
    {
        'name': case medium when 'cpc' then 'spring_launch' end,
        'medium': medium,
        'source': case medium when 'organic' then '(direct)' when 'cpc' then 'google' else 'friends' end
    } as traffic_source,
    case when ios then 'IOS' else 'ANDROID' end as platform
from priced;

{{ fsync.trailing_windows_at('spine', 'events', ['player_id', 'mode'], {
    'spent_2h': {'sum': 'cents', 'window': '2h'},
    'items_1d': {'approx_distinct': 'item', 'window': '1d'},
    'most_1d': {'max': 'cents', 'window': '1d'},
    'least_2h': {'min': 'cents', 'window': '2h'},
    'newest_item_1d': {'last': 'item', 'window': '1d'},
    'oldest_item_2h': {'first': 'item', 'window': '2h'}
}, timestamp='happened_at', as_known_at=false) }}

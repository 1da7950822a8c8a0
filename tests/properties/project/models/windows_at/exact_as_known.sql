{{ fsync.trailing_windows_at('spine', 'events', ['player_id', 'mode'], {
    'spent_2h': {'sum': 'cents', 'window': '2h'},
    'spent_1d': {'count': 'cents', 'window': '1d'},
    'large_1d': {'sum': 'cents', 'where': 'cents > 3', 'window': '1d'},
    'mean_1d': {'avg': 'cents', 'per': 'bought', 'window': '1d'},
    'items_2h': {'count_distinct': 'item', 'window': '2h'},
    'spent_total': {'sum': 'cents'},
    'most_total': {'max': 'cents'},
    'newest_item': {'last': 'item'}
}, timestamp='happened_at') }}

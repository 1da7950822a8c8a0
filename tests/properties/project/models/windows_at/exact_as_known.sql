{{ fsync.trailing_windows_at('spine', 'events', ['player_id', 'mode'], {
    'spent_2h': {'sum': 'cents', 'window': '2h'},
    'spent_1d': {'count': 'cents', 'window': '1d'},
    'large_1d': {'sum': 'cents', 'where': 'cents > 3', 'window': '1d'},
    'mean_1d': {'avg': 'cents', 'per': 'bought', 'window': '1d'},
    'items_2h': {'count_distinct': 'item', 'window': '2h'},
    'spent_total': {'sum': 'cents'},
    'most_total': {'max': 'cents'},
    'most_1d': {'max': 'cents', 'window': '1d'},
    'least_2h': {'min': 'cents', 'window': '2h'},
    'large_item_2h': {'last': 'item', 'where': 'cents > 3', 'window': '2h'},
    'oldest_item_1d': {'first': 'item', 'window': '1d'},
    'newest_item': {'last': 'item'}
}, timestamp='happened_at') }}

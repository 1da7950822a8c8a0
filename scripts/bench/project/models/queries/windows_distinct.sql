{{ fsync.trailing_windows('(select player_id, tile_start, available_at, created_timestamp, item from item_tiles)', ['player_id'], {
    'items_7d': {'count_distinct': 'item', 'window': '7d'}
}, until="timestamp '2100-01-01'") }}

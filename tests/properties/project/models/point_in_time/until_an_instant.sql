{{ fsync.point_in_time_join('spine', ['recent:score', 'paired:rating', 'recent:label', 'daily:total'], timestamp='happened_at', known_until='2026-03-03T00:00:00Z') }}

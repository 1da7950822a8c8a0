{{ fsync.point_in_time_join('spine', ['recent:score', 'paired:rating', 'recent:label', 'daily:total'], timestamp='happened_at', as_known_at=false, defaults=false) }}

{{ fsync.point_in_time_join('spine', ['recent:score', 'paired:rating', 'recent:label', 'daily:total'], timestamp='happened_at', ages=true) }}

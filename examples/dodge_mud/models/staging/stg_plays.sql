select
    play_id,
    player_id,
    {{ fsync.from_micros(fsync.micros('played_at')) }} as played_at,
    score,
    coalesce(player_id in ('device_zero', 'device_placeholder'), false) as is_shared_device
from read_parquet('{{ plays_path() }}')

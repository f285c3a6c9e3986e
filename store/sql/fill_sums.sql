-- Executions that count, added up by session, venue, account, symbol and UTC hour, of the sessions that a file names.
-- What is too large to be added up without overflow, far beyond any market, is counted as unsummed and left out.
with counted as (
    select *, coalesce(notional < 1e12 and quantity < 1e12 and abs(fee) < 1e12, false) as is_summable
    from sealed.fills
    where busted_at is null and session_id in (select distinct session_id from read_parquet(?))
)
insert into sealed.fill_sums
select session_id, venue, account_id, symbol,
       make_timestamptz(epoch_us(venue_time) // 3600000000 * 3600000000) as "hour", count(*),
       count(*) filter (where not is_summable),
       coalesce(sum(quantity) filter (where is_summable and side = 'buy'), 0),
       coalesce(sum(quantity) filter (where is_summable and side = 'sell'), 0),
       coalesce(sum(notional) filter (where is_summable and side = 'buy'), 0),
       coalesce(sum(notional) filter (where is_summable and side = 'sell'), 0),
       coalesce(sum(fee) filter (where is_summable), 0)
from counted
group by session_id, venue, account_id, symbol, "hour";

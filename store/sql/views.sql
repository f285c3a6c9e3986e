-- The stable face of results: names and columns that reports, notebooks and the API may rely on.
create view sessions as
select session_id, name, symbol, status, volume_target, volume_generated, started_at, ended_at, pnl, fees, funding,
       slippage, pairs_filled, pairs_unwound, max_net_exposure_usd, naked_usd_seconds, environment, strategy, accounts,
       duration_s, seed, created_at, flow_run_id, status_reason, attempt
from sealed.sessions;

create view pairs as
select pair_id, session_id, sequence, buy_venue, sell_venue, buy_account, sell_account, status, quantity, volume,
       price, slippage, fees, leg_skew_ms, naked_usd_seconds, created_at, completed_at, executed_at, planned_quantity,
       buy_arrival_mid, sell_arrival_mid, decision
from sealed.pairs;

create view orders as
select client_order_id as order_id, client_order_id, venue_order_id, pair_id, session_id, venue, account_id, side,
       type, quantity, price, status, filled_quantity, average_price, fees, created_at, completed_at, symbol, leg,
       attempt, time_in_force, reference_price, reduce_only, reason, sent_at, updated_at, decision
from sealed.orders;

create view fills as
select fill_id, session_id, pair_id, venue, account_id, client_order_id, side, quantity, price, fee, liquidity,
       venue_time, received_time, symbol, venue_order_id, trade_id, cause, busted_at, notional
from sealed.fills;

create view funding as
select session_id, venue, account_id, symbol, rate, payment, paid_at, payment_id
from sealed.funding;

create view positions as
select session_id, venue, account_id, symbol, quantity, entry_price, "at", unrealized_pnl, liquidation_price
from sealed.positions;

create view risk_events as
select breach_id, session_id, pair_id, category, severity, details, created_at, acknowledged_at, action, comment
from sealed.risk_events;

-- Inside pairs by the day a pair was planned, outside by the days on which a leg stood alone.
create view naked_by_day as
select "day", session_id, cast(sum(pairs) as bigint) as pairs, sum(naked_usd_seconds) as naked_usd_seconds,
       sum(sum(naked_usd_seconds)) over (partition by "day") as day_usd_seconds,
       sum(outside_usd_seconds) as outside_usd_seconds
from (
    select cast(created_at at time zone 'UTC' as date) as "day", session_id, 1 as pairs, naked_usd_seconds,
           cast(0 as decimal(38, 18)) as outside_usd_seconds
    from sealed.pairs
    union all
    select cast("day" at time zone 'UTC' as date), session_id, 0, usd_seconds, usd_seconds
    from sealed.naked_outside
)
group by 1, 2;

create view naked_days as
select "day", count(*) as sessions, sum(pairs) as pairs, sum(naked_usd_seconds) as naked_usd_seconds
from naked_by_day
group by 1;

create view ledger as
select session_id, venue, account_id, kind, reference, name, asset, quantity, "at", posting_id
from sealed.ledger;

create view statements as
select session_id, venue, account_id, opening, closing, basis, slippage, legging, forced, fees, funding, transfers,
       before, residual, dust, bookings, opened_at, closed_at, opening_mark, closing_mark, held_before, elsewhere
from sealed.statements;

create view funding_checks as
select session_id, venue, account_id, symbol, "at", position, price, rate, expected, booked, difference, is_agreed
from sealed.funding_checks;

create view certificates as
select certificate_id, session_id, position, pair_id, kind, previous, sha256, document, created_at
from sealed.certificates;

-- Sums of executions that count. cash_flow is what was received less what was paid and fees; it is the PnL (without
-- funding) where nothing is left open (net_quantity 0); elsewhere pnl is null, for the rest has no price here. unsummed
-- executions are too large to be added up without overflow, far beyond any market: they are in no figure but fills.
create view pnl_by_session as
select session_id, symbol, sum(fills) as fills, sum(paid) + sum(received) as notional, sum(fees) as fees,
       sum(bought) - sum(sold) as net_quantity, sum(received) - sum(paid) - sum(fees) as cash_flow,
       case when sum(bought) = sum(sold) and sum(unsummed) = 0 then sum(received) - sum(paid) - sum(fees) end as pnl,
       sum(unsummed) as unsummed
from sealed.fill_sums
group by all;

create view pnl_by_venue as
select venue, symbol, sum(fills) as fills, sum(paid) + sum(received) as notional, sum(fees) as fees,
       sum(bought) - sum(sold) as net_quantity, sum(received) - sum(paid) - sum(fees) as cash_flow,
       case when sum(bought) = sum(sold) and sum(unsummed) = 0 then sum(received) - sum(paid) - sum(fees) end as pnl,
       sum(unsummed) as unsummed
from sealed.fill_sums
group by all;

create view pnl_by_hour as
select "hour", symbol, sum(fills) as fills, sum(paid) + sum(received) as notional, sum(fees) as fees,
       sum(bought) - sum(sold) as net_quantity, sum(received) - sum(paid) - sum(fees) as cash_flow,
       case when sum(bought) = sum(sold) and sum(unsummed) = 0 then sum(received) - sum(paid) - sum(fees) end as pnl,
       sum(unsummed) as unsummed
from sealed.fill_sums
group by all;

create view slippage_quantiles as
select buy_venue, sell_venue, pairs, quantiles[1] as p10, quantiles[2] as p50, quantiles[3] as p90, quantiles[4] as p99,
       worst
from (
    select buy_venue, sell_venue, count(*) as pairs, quantile_disc(slippage, [0.1, 0.5, 0.9, 0.99]) as quantiles,
           max(slippage) as worst
    from sealed.pairs
    where slippage is not null
    group by all
);

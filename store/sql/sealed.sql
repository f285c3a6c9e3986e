-- What segments hold, row for row. Filled by the keeper alone; read it through the views.
create schema sealed;

create table sealed.version (sql_sha256 varchar not null);

create table sealed.loaded (path varchar not null, sha256 varchar not null, rows bigint not null);

create table sealed.sessions (
    session_id varchar not null, name varchar not null, symbol varchar not null, status varchar not null,
    strategy varchar not null, accounts varchar not null, environment varchar not null,
    volume_target decimal(38, 18), duration_s double,
    volume_generated decimal(38, 18) not null, pnl decimal(38, 18) not null, fees decimal(38, 18) not null,
    funding decimal(38, 18) not null, slippage decimal(38, 18) not null,
    pairs_filled bigint not null, pairs_unwound bigint not null,
    max_net_exposure_usd decimal(38, 18) not null, naked_usd_seconds decimal(38, 18) not null,
    seed bigint not null, created_at timestamptz not null, started_at timestamptz, ended_at timestamptz,
    flow_run_id varchar, status_reason varchar, attempt bigint not null, change bigint not null
);

create table sealed.pairs (
    pair_id varchar not null, session_id varchar not null, sequence bigint not null,
    buy_venue varchar not null, buy_account varchar not null,
    sell_venue varchar not null, sell_account varchar not null, status varchar not null,
    planned_quantity decimal(38, 18) not null, quantity decimal(38, 18) not null,
    volume decimal(38, 18) not null, price decimal(38, 18), slippage decimal(38, 18), fees decimal(38, 18) not null,
    leg_skew_ms decimal(38, 18), naked_usd_seconds decimal(38, 18) not null,
    buy_arrival_mid decimal(38, 18), sell_arrival_mid decimal(38, 18), decision varchar not null,
    created_at timestamptz not null, executed_at timestamptz, completed_at timestamptz, change bigint not null
);

create table sealed.orders (
    client_order_id varchar not null, wire_client_id varchar not null, venue_order_id varchar,
    pair_id varchar not null, session_id varchar not null, leg varchar not null, attempt bigint not null,
    venue varchar not null, account_id varchar not null, symbol varchar not null, side varchar not null,
    type varchar not null, time_in_force varchar not null,
    quantity decimal(38, 18) not null, price decimal(38, 18) not null, reference_price decimal(38, 18) not null,
    reduce_only boolean not null, decision varchar not null default '{}', status varchar not null,
    filled_quantity decimal(38, 18) not null, average_price decimal(38, 18), fees decimal(38, 18) not null,
    reason varchar, created_at timestamptz not null, valid_until timestamptz not null, sent_at timestamptz,
    updated_at timestamptz, completed_at timestamptz, change bigint not null
);

create table sealed.fills (
    fill_id varchar not null, venue varchar not null, account_id varchar not null, trade_id varchar not null,
    symbol varchar not null, session_id varchar, pair_id varchar, client_order_id varchar,
    venue_order_id varchar not null, side varchar not null,
    quantity decimal(38, 18) not null, price decimal(38, 18) not null, fee decimal(38, 18) not null,
    liquidity varchar not null, venue_time timestamptz not null, received_time timestamptz not null,
    cause varchar not null default 'trade', busted_at timestamptz, change bigint not null
);

create table sealed.funding (
    funding_id varchar not null, session_id varchar not null, venue varchar not null, account_id varchar not null,
    symbol varchar not null, payment_id varchar not null, payment decimal(38, 18) not null, rate decimal(38, 18),
    paid_at timestamptz not null, received_time timestamptz not null, change bigint not null
);

create table sealed.positions (
    position_id varchar not null, session_id varchar not null, venue varchar not null, account_id varchar not null,
    symbol varchar not null, quantity decimal(38, 18) not null, entry_price decimal(38, 18) not null,
    unrealized_pnl decimal(38, 18), liquidation_price decimal(38, 18), "at" timestamptz not null, change bigint not null
);

create table sealed.risk_events (
    breach_id varchar not null, session_id varchar not null, pair_id varchar, category varchar not null,
    severity varchar not null, details varchar not null, created_at timestamptz not null,
    acknowledged_at timestamptz, action varchar, comment varchar, change bigint not null
);

create table sealed.ledger (
    posting_id varchar not null, session_id varchar not null, venue varchar not null, account_id varchar not null,
    kind varchar not null, reference varchar not null, name varchar not null, asset varchar not null,
    quantity decimal(38, 18) not null, "at" timestamptz not null, change bigint not null
);

create table sealed.statements (
    statement_id varchar not null, session_id varchar not null, venue varchar not null, account_id varchar not null,
    opened_at timestamptz not null, opening decimal(38, 18) not null, opening_mark decimal(38, 18),
    held_before decimal(38, 18) not null, elsewhere varchar not null,
    closed_at timestamptz, closing decimal(38, 18), closing_mark decimal(38, 18), basis decimal(38, 18),
    slippage decimal(38, 18), legging decimal(38, 18), forced decimal(38, 18), fees decimal(38, 18),
    funding decimal(38, 18), transfers decimal(38, 18), before decimal(38, 18), residual decimal(38, 18),
    dust decimal(38, 18), bookings bigint, change bigint not null
);

create table sealed.funding_checks (
    check_id varchar not null, session_id varchar not null, venue varchar not null, account_id varchar not null,
    symbol varchar not null, "at" timestamptz not null, position decimal(38, 18) not null, price decimal(38, 18),
    rate decimal(38, 18), expected decimal(38, 18) not null, booked decimal(38, 18) not null,
    difference decimal(38, 18) not null, is_agreed boolean not null, change bigint not null
);

create table sealed.certificates (
    certificate_id varchar not null, session_id varchar not null, position bigint not null, pair_id varchar not null,
    kind varchar not null, previous varchar not null, sha256 varchar not null, document varchar not null,
    created_at timestamptz not null, change bigint not null
);

create table sealed.naked_outside (
    naked_id varchar not null, session_id varchar not null, "day" timestamptz not null,
    usd_seconds decimal(38, 18) not null, counted_until timestamptz not null, usd decimal(38, 18) not null,
    change bigint not null
);

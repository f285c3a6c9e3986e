-- What follows from sealed rows and is kept beside them, so that questions over many executions are answered at once.
-- Exact, and made again by the keeper for each session that a file of fills touches; no part of the content's hash.
alter table sealed.fills add column notional decimal(38, 18);

create table sealed.fill_sums (
    session_id varchar not null, venue varchar not null, account_id varchar not null, symbol varchar not null,
    "hour" timestamptz not null, fills bigint not null, unsummed bigint not null,
    bought decimal(38, 18) not null, sold decimal(38, 18) not null,
    paid decimal(38, 18) not null, received decimal(38, 18) not null, fees decimal(38, 18) not null
);

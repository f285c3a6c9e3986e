// Written from the service's OpenAPI document by generate.py; do not edit.

/** One account, read from its venue for this answer. */
export interface AccountAnswer {
  "success"?: true;
  "account": AccountHealthDocument;
}

/** One account of this installation. heldBy: the session that drives it now. */
export interface AccountDocument {
  "id": string;
  "venue": string;
  "owner": string;
  "environment": "sandbox" | "testnet" | "production";
  "heldBy": string | null;
}

/** One account's share, in USD; funding is null while its rate is not known. */
export interface AccountEstimateDocument {
  "accountId": string;
  "venue": string;
  "volume": QuantilesDocument;
  "fees": QuantilesDocument;
  "spreadCost": QuantilesDocument;
  "funding": QuantilesDocument | null;
}

/** An account as its venue says it at asOf; never an older figure. Money in USD, marginRatio a fraction. status: active or inactive as the venue says, unknown when it could not be read. */
export interface AccountHealthDocument {
  "id": string;
  "venue": string;
  "owner": string;
  "environment": "sandbox" | "testnet" | "production";
  "heldBy": string | null;
  "status": "active" | "inactive" | "unknown";
  "equity": number | null;
  "availableMargin": number | null;
  "initialMargin": number | null;
  "maintenanceMargin": number | null;
  "marginRatio": number | null;
  "liquidationDistance": number | null;
  "positions": Array<PositionDocument> | null;
  "asOf": string;
  "reason": string | null;
}

/** One account's books, USD. residual: the part of its change of equity that no booking explains. */
export interface AccountLedger {
  "accountId": string;
  "venue": string;
  "opening": number;
  "closing": number;
  "explained": number;
  "residual": number;
  "dust": number;
  "isBalanced": boolean;
}

/** One account of a session, as its venue says it now. What could not be read is null, and reason says why. positionSize in base units, long positive; marginRatio is maintenance margin over equity; liquidationDistance a fraction of the mark, null without a position or where the venue names no liquidation price. */
export interface AccountRisk {
  "accountId": string;
  "venue": string;
  "positionSize": number | null;
  "unrealizedPnl": number | null;
  "marginRatio": number | null;
  "liquidationPrice": number | null;
  "liquidationDistance": number | null;
  "riskLevel": "low" | "medium" | "high" | null;
  "asOf": string;
  "reason": string | null;
}

/** All accounts that can be used. */
export interface AccountsAnswer {
  "success"?: true;
  "accounts": Array<AccountDocument>;
}

/** One breach after it was acknowledged. */
export interface BreachAnswer {
  "success"?: true;
  "breach": BreachDocument;
}

/** A limit that was crossed. */
export interface BreachDocument {
  "id": string;
  "breachType": string;
  "category": string;
  "severity": "warning" | "critical";
  "details": Record<string, unknown>;
  "timestamp": string;
  "resolved": boolean;
  "acknowledgedAt": string | null;
  "action": "resolve" | "ignore" | null;
  "comment": string | null;
}

/** What this system can do at a venue, with the limits that bind and what surprises. */
export interface CapabilityDocument {
  "name": string;
  "title": string;
  "support": "works" | "not yet" | "never";
  "limits": string;
  "quirk": string;
}

/** One thing to know; critical: as things are, the session would not start or not end clean. */
export interface CautionDocument {
  "code": string;
  "severity": "warning" | "critical";
  "text": string;
  "accountId": string | null;
}

/** One certificate of a pair; sha256 is that of `document` written as canonical JSON (docs/certificates.md). */
export interface CertificateDocument {
  "certificateId": string;
  /** Its place in the session's chain, from 1 on. */
  "position": number;
  "kind": "pair" | "correction";
  /** The hash of the certificate before; of the request for the first. */
  "previous": string;
  "sha256": string;
  "certifiedAt": string;
  /** What was certified; numbers are exact texts. */
  "document": Record<string, unknown>;
}

/** How traded volume is spread over the accounts: the same for all, or in proportion to free margin. */
export type Distribution = "equal" | "weighted";

/** What went wrong: a stable code, a sentence for people, and details for programs. */
export interface ErrorBody {
  "code": string;
  "message": string;
  "details": Record<string, unknown>;
}

/** An estimate; nothing was created. */
export interface EstimateAnswer {
  "success"?: true;
  "estimate": EstimateDocument;
}

/** What the figures rest on: sessions played through with the planner that trades, from one seed. */
export interface EstimateBasis {
  "paths": number;
  "pairsPlayed": number;
  "extrapolated": number;
  "seed": number;
}

/** What to expect. Money in USD: fees, spreadCost and cost positive when paid, funding positive when received. spreadCost is what spread and slippage cost; costShare is cost over volume and makerShare the part of the notional traded as maker, both fractions; nakedUsdSeconds is USD times seconds. Null: not known. */
export interface EstimateDocument {
  "volume": QuantilesDocument;
  "pairs": QuantilesDocument;
  "durationSeconds": QuantilesDocument;
  "fees": QuantilesDocument;
  "spreadCost": QuantilesDocument;
  "funding": QuantilesDocument | null;
  "cost": QuantilesDocument | null;
  "costShare": QuantilesDocument | null;
  "makerShare": QuantilesDocument | null;
  "worstNakedUsd": QuantilesDocument;
  "nakedUsdSeconds": QuantilesDocument;
  "accounts": Array<AccountEstimateDocument>;
  "cautions": Array<CautionDocument>;
  /** The cautions' texts. */
  "warnings": Array<string>;
  "basis": EstimateBasis;
}

/** One event; sequence counts 1, 2, 3 … in a session without gaps. data holds money as texts, exactly. */
export interface EventDocument {
  "sequence": number;
  "timestamp": string;
  "channel": string;
  "type": string;
  "data": Record<string, unknown>;
}

/** Events after `since`, in order; ask again with since=lastSequence while there are more. */
export interface EventsAnswer {
  "success"?: true;
  "events": Array<EventDocument>;
  /** The session's newest event. */
  "lastSequence": number;
}

/** Why a pair was done as it was. */
export interface ExplainAnswer {
  "success"?: true;
  "explanation": ExplanationDocument;
}

/** A pair in sentences. certificates: oldest first, corrections after the first; empty until the pair has ended. */
export interface ExplanationDocument {
  "pairId": string;
  "sentences": Array<string>;
  "certificates": Array<CertificateDocument>;
}

/** One execution. fee in USD, negative for a rebate. */
export interface FillDocument {
  "tradeId": string;
  "venue": string;
  "accountId": string;
  "symbol": string;
  "side": "buy" | "sell";
  "quantity": number;
  "price": number;
  "notional": number;
  "fee": number;
  "liquidity": "maker" | "taker";
  "clientOrderId": string | null;
  "venueOrderId": string;
  "venueTime": string;
  "receivedTime": string;
}

/** Fills by the venues' time. */
export interface FillsPage {
  "success"?: true;
  "total": number;
  "limit": number;
  "offset": number;
  "fills": Array<FillDocument>;
}

/** Every session that was told to get flat. */
export interface FlattenAnswer {
  "success"?: true;
  "sessions": Array<SteeredSession>;
  "pending"?: boolean;
}

/** One key. */
export interface KeyAnswer {
  "success"?: true;
  "key": KeyDocument;
}

/** A key without its secret. */
export interface KeyDocument {
  "id": string;
  "name": string;
  "scopes": Array<Scope>;
  "createdAt": string;
  "revokedAt": string | null;
  "lastUsedAt": string | null;
}

/** All keys, revoked ones included. */
export interface KeysAnswer {
  "success"?: true;
  "keys": Array<KeyDocument>;
}

/** A session's books as closed: what the venues say its accounts' equity changed by, and what explains it, USD. isBalanced: no account's residual is above the dust that its venue's rounding can make. */
export interface LedgerDocument {
  "equityChange": number;
  "explained": number;
  "residual": number;
  "isBalanced": boolean;
  "closedAt": string;
  "accounts": Array<AccountLedger>;
}

/** Both legs; always on two venues. */
export interface Legs {
  "buyOrder": OrderDocument;
  "sellOrder": OrderDocument;
}

/** One market of one venue in one environment. Grid in quote and base units; fees and margins are fractions. */
export interface MarketDocument {
  "venue": string;
  "environment": string;
  "symbol": string;
  "venueSymbol": string;
  "tickSize": number;
  "lotSize": number;
  "minQuantity": number;
  "minNotional": number;
  "maxQuantity": number | null;
  "initialMargin": number;
  "maintenanceMargin": number;
  "makerFee": number;
  "takerFee": number;
  "fundingIntervalSeconds": number;
  "continuousFunding": boolean;
}

/** Markets by symbol and venue; those of venues in `unread` are missing. */
export interface MarketsAnswer {
  "success"?: true;
  "markets": Array<MarketDocument>;
  "unread": Array<UnreadVenue>;
  "asOf": string;
}

/** How a session does. Money in USD; slippage a fraction of volume; netPosition in base units, signed. nakedUsdSeconds: unhedged notional times the seconds it stood so, in ended pairs and outside pairs. What cannot be valued now (an open position without a mark) is null. */
export interface Metrics {
  "totalVolume": number;
  "netPosition": number;
  "pnl": number;
  "slippage": number;
  "realizedPnl": number | null;
  "unrealizedPnl": number | null;
  "fundingPnl": number;
  "fees": number;
  "pairsFilled": number;
  "pairsUnwound": number;
  "maxNetExposure": number;
  "nakedUsdSeconds": number;
  "lastUpdated": string;
}

/** Naked USD-seconds: unhedged notional times the seconds it stood so, of pairs without an end as well. usdSeconds and limit are the session's, day… those of all sessions of the installation on the UTC day `day`. Above a limit nothing opens. */
export interface NakedBudget {
  "usdSeconds": number;
  "limit": number;
  "day": string;
  "dayUsdSeconds": number;
  "dayLimit": number;
}

/** A key that is wished for. read < trade < admin; kill alone may stop and flatten and see nothing. */
export interface NewKey {
  "name": string;
  "scopes": Array<Scope>;
}

/** A new key with its text, which is shown this once; null in a repeated answer. */
export interface NewKeyAnswer {
  "success"?: true;
  "key": KeyDocument;
  "apiKey"?: string | null;
}

/** One leg of a pair, all its attempts together. size in USD, quantity in base units. */
export interface OrderDocument {
  "accountId": string;
  "venue": string;
  "side": "buy" | "sell";
  "type": "limit" | "market";
  "size": number | null;
  "quantity": number;
  "price": number | null;
  "status": "pending" | "open" | "partial" | "filled" | "cancelled" | "rejected" | "expired";
  "fillPrice": number | null;
  "fillSize": number | null;
  "filledQuantity": number;
  "fees": number;
  "clientOrderId": string | null;
  "venueOrderId": string | null;
  "attempts": number;
  "createdAt": string;
}

/** Notional of one leg in quote currency (USD). */
export interface OrderSize {
  "min": number | string;
  "max": number | string;
}

/** Order types every venue has. A market order always carries a bound price as well. */
export type OrderType = "limit" | "market";

/** How legs are placed first, and what hedges the rest. */
export interface OrderTypes {
  "primary"?: OrderType;
  "fallback"?: OrderType;
}

/** One pair. volume in USD counts it once; slippage is a fraction of it, both legs together. nakedUsdSeconds: its unhedged notional (USD) times the seconds it stood so; so far, while it has no end. */
export interface PairDocument {
  "id": string;
  "sequence": number;
  "orderPair": Legs;
  "status": "pending" | "partial" | "filled" | "cancelled" | "failed" | "unwound";
  "volume": number;
  "price": number | null;
  "slippage": number | null;
  "fees": number;
  "nakedUsdSeconds": number;
  "createdAt": string;
  "executedAt": string | null;
  "completedAt": string | null;
}

/** Pairs by sequence. */
export interface PairsPage {
  "success"?: true;
  "total": number;
  "limit": number;
  "offset": number;
  "orders": Array<PairDocument>;
}

/** The session as a whole. totalPnl in USD; maxDrawdown and var95 as fractions of the accounts' equity. maxDrawdown: the deepest fall of the session's PnL from a peak so far. var95: the loss between two pairs that was exceeded one time in twenty. Null while equity cannot be read, or while there is too little to tell. */
export interface PortfolioRisk {
  "totalPnl": number;
  "maxDrawdown": number | null;
  "var95": number | null;
}

/** One open position: quantity in base units, long positive; money in USD. */
export interface PositionDocument {
  "symbol": string;
  "quantity": number;
  "entryPrice": number;
  "mark": number | null;
  "unrealizedPnl": number | null;
  "liquidationPrice": number | null;
  "liquidationDistance": number | null;
}

/** How far from mid resting legs are quoted, as fractions of it (0.001 = 10 bps). */
export interface PriceRange {
  "min": number | string;
  "max": number | string;
}

/** One in ten sessions ends below p10, half below p50, nine in ten below p90. */
export interface QuantilesDocument {
  "p10": number;
  "p50": number;
  "p90": number;
}

/** The answer to every request that failed. */
export interface Refusal {
  "success"?: false;
  "error": ErrorBody;
  "timestamp": string;
}

/** The risk of a session now. */
export interface RiskAnswer {
  "success"?: true;
  "riskStatus": RiskStatus;
}

/** maxPositionSize in base units; stopLossThreshold and maxSlippage as fractions. maxNakedUsdSeconds: how much notional (USD) times seconds legs may stand alone in all; nothing opens once it is spent. Without it: as much as a hundred of the largest pairs at the longest delay of a leg. */
export interface RiskLimitsForm {
  "maxPositionSize": number | string;
  "stopLossThreshold": number | string;
  "maxSlippage": number | string;
  "maxNakedUsdSeconds"?: number | string | null;
}

/** The risk of a session now. riskState: ACTIVE may open, REDUCING only goes down, HALTED waits for a person; null before the start and after the end. riskReason says why, null while ACTIVE. */
export interface RiskStatus {
  "sessionId": string;
  "overallRisk": "low" | "medium" | "high";
  "riskState": "ACTIVE" | "REDUCING" | "HALTED" | null;
  "riskReason": string | null;
  "accountRisks": Array<AccountRisk>;
  "portfolioRisk": PortfolioRisk;
  "naked": NakedBudget;
  "activeBreaches": Array<BreachDocument>;
}

/** What a key may do. READ < TRADE < ADMIN; KILL alone may stop and flatten and see nothing. */
export type Scope = "read" | "trade" | "kill" | "admin";

/** One session. */
export interface SessionAnswer {
  "success"?: true;
  "session": SessionDocument;
}

/** A session with its breaches, its newest pairs (at most 100, newest first) and its books. ledger is null until the session was settled. riskState is ACTIVE while it may open, REDUCING while it only goes down, HALTED while it waits for a person, riskReason why; null before the start and after the end. */
export interface SessionDocument {
  "id": string;
  "name": string;
  "status": "pending" | "active" | "paused" | "completed" | "failed";
  "statusReason": string | null;
  "environment": string;
  "accounts": Array<string>;
  "strategy": Record<string, unknown>;
  "volumeTarget": number | null;
  "volumeGenerated": number;
  "duration": number | null;
  "startTime": string;
  "endTime": string | null;
  "createdAt": string;
  "flowRunId": string | null;
  "attempt": number;
  "metrics": Metrics;
  "riskState": "ACTIVE" | "REDUCING" | "HALTED" | null;
  "riskReason": string | null;
  "riskBreaches": Array<BreachDocument>;
  "orders": Array<PairDocument>;
  "ledger": LedgerDocument | null;
}

/** One hedging session. volumeTarget in USD of hedged notional, duration in milliseconds; at least one of them. */
export interface SessionRequest {
  "name"?: string | null;
  "strategy": StrategyForm;
  "accounts"?: Array<string>;
  "volumeTarget"?: number | string | null;
  "duration"?: number | null;
  "seed"?: number | null;
  /** The same as accounts. */
  "accountIds"?: Array<string>;
}

/** A session as lists show it. startTime is its creation until it was started; duration in milliseconds. */
export interface SessionSummary {
  "id": string;
  "name": string;
  "status": "pending" | "active" | "paused" | "completed" | "failed";
  "statusReason": string | null;
  "environment": string;
  "accounts": Array<string>;
  "strategy": Record<string, unknown>;
  "volumeTarget": number | null;
  "volumeGenerated": number;
  "duration": number | null;
  "startTime": string;
  "endTime": string | null;
  "createdAt": string;
  "flowRunId": string | null;
  "attempt": number;
  "metrics": Metrics;
}

/** Sessions, newest first. */
export interface SessionsPage {
  "success"?: true;
  "total": number;
  "limit": number;
  "offset": number;
  "sessions": Array<SessionSummary>;
}

/** pending: the start is noted and will be carried out once, but its run is not known yet (202). */
export interface StartAnswer {
  "success"?: true;
  "session": StartedSession;
  "pending"?: boolean;
}

/** A session that was started; flowRunId is null while it is not yet known. */
export interface StartedSession {
  "id": string;
  "status": "pending" | "active" | "paused" | "completed" | "failed";
  "startTime": string;
  "flowRunId": string | null;
}

/** pending: the command is noted and was not carried out yet (202). */
export interface SteerAnswer {
  "success"?: true;
  "session": SteeredSession;
  "pending"?: boolean;
}

/** A session after a command, as it truly stands; times that do not apply are absent. */
export interface SteeredSession {
  "id": string;
  "status": "pending" | "active" | "paused" | "completed" | "failed";
  /** Why it stands so. */
  "statusReason"?: string | null;
  "pausedAt"?: string | null;
  "resumedAt"?: string | null;
  "endTime"?: string | null;
  "finalVolume"?: number | null;
  "flowRunId"?: string | null;
}

/** What to hedge and how. */
export interface StrategyForm {
  "symbol": string;
  "volumeDistribution"?: Distribution;
  "priceRange": PriceRange;
  "timing": Timing;
  "riskLimits": RiskLimitsForm;
  "orderTypes"?: OrderTypes;
}

/** A single-use admission to the live stream (`?ticket=` in its address); null in a repeated answer. */
export interface TicketAnswer {
  "success"?: true;
  "ticket"?: string | null;
  "expiresAt": string;
}

/** Seconds between pairs, and the size of each. */
export interface Timing {
  "minInterval": number;
  "maxInterval": number;
  "orderSize": OrderSize;
}

/** A venue whose markets could not be read, and why. */
export interface UnreadVenue {
  "venue": string;
  "environment": string;
  "reason": string;
}

/** One venue. systemStatus is read for this answer through one of its accounts; null with a reason when not read. */
export interface VenueDocument {
  "venue": string;
  "environments": Array<string>;
  "accounts": Array<string>;
  "systemStatus": "open" | "post_only" | "cancel_only" | "maintenance" | "unknown" | null;
  "statusText": string | null;
  "asOf": string | null;
  "reason": string | null;
  "capabilities": Array<CapabilityDocument>;
}

/** All venues. */
export interface VenuesAnswer {
  "success"?: true;
  "venues": Array<VenueDocument>;
}

export type ErrorCode = "ACCOUNT_NOT_ACTIVE" | "BREACH_NOT_FOUND" | "FORBIDDEN" | "IDEMPOTENCY_CONFLICT" | "INSUFFICIENT_ACCOUNTS" | "INSUFFICIENT_BALANCE" | "INTERNAL_ERROR" | "INVALID_SESSION_STATUS" | "INVALID_STRATEGY" | "MARKET_DATA_UNAVAILABLE" | "METHOD_NOT_ALLOWED" | "NOT_FOUND" | "ORDER_EXECUTION_FAILED" | "RATE_LIMIT_EXCEEDED" | "RISK_LIMIT_EXCEEDED" | "SELF_TRADE_RISK" | "SERVICE_UNAVAILABLE" | "SESSION_NOT_FOUND" | "UNAUTHORIZED" | "VALIDATION_ERROR";

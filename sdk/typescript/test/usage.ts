// Compiled only (`npm run check`): the declarations are usable as the README says.
import { HedgingClient, HedgingError, type SessionRequest, type Update } from "../src/index.js";

const request: SessionRequest = {
  strategy: {
    symbol: "ETH/USD", volumeDistribution: "equal", priceRange: { min: 0.001, max: 0.01 },
    timing: { minInterval: 30, maxInterval: 120, orderSize: { min: 100, max: 500 } },
    riskLimits: { maxPositionSize: 0.1, stopLossThreshold: 0.05, maxSlippage: 0.02 },
    orderTypes: { primary: "limit", fallback: "market" },
  },
  accounts: ["account1", "account2"],
  volumeTarget: 10_000,
};

export async function use(apiKey: string): Promise<Update[]> {
  const client = new HedgingClient({ apiKey, WebSocket: globalThis.WebSocket });
  const heard: Update[] = [];
  try {
    const session = await client.createSession(request);
    const volume: number = session.metrics.totalVolume;
    await client.startSession(session.id);
    for await (const update of client.subscribe(session.id, { channels: ["status", "orders"] })) heard.push(update);
    for await (const pair of client.iterOrders(session.id)) console.log(pair.orderPair.buyOrder.fillPrice ?? volume);
  } catch (error) {
    if (error instanceof HedgingError && error.code === "INSUFFICIENT_BALANCE") console.log(error.details);
    else throw error;
  }
  return heard;
}

// What a page costs somebody with an old phone on a slow line, under the conditions
// that Lighthouse calls mobile: 1.6 Mbit/s, 150 ms to the server, a processor four
// times slower than this one. Octets, requests and shifts are the same on every
// machine, and are held; times are printed: beside other tests they say little.
export const mobile = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** Opens url in a fresh context and returns what it took until ready is there. */
export async function measure(context, url, ready) {
  await context.addInitScript(() => {
    const seen = globalThis.__seen = { shift: 0, blocked: 0, largest: 0, first: 0 };
    const watch = (type, f) => new PerformanceObserver((l) => l.getEntries().forEach(f)).observe({ type, buffered: true });
    watch('layout-shift', (e) => { if (!e.hadRecentInput) seen.shift += e.value; });
    watch('longtask', (e) => { seen.blocked += Math.max(0, e.duration - 50); });
    watch('largest-contentful-paint', (e) => { seen.largest = e.startTime; });
    watch('paint', (e) => { if (e.name === 'first-contentful-paint') seen.first = e.startTime; });
  });
  const page = await context.newPage(), cdp = await context.newCDPSession(page);
  const types = new Map(), octets = {};
  let requests = 0;
  await cdp.send('Network.enable');
  await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 });
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  cdp.on('Network.responseReceived', (e) => { types.set(e.requestId, e.type); if (!e.response.url.startsWith('data:')) requests++; });
  cdp.on('Network.loadingFinished', (e) => { const t = types.get(e.requestId) ?? 'Other'; octets[t] = (octets[t] ?? 0) + e.encodedDataLength; });
  await page.goto(url, { waitUntil: 'domcontentloaded', timeout: 60_000 });
  await page.locator(ready).first().waitFor({ timeout: 60_000 });
  await page.evaluate(() => new Promise((done) => requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(done)))));
  const seen = await page.evaluate(() => ({ ...globalThis.__seen, nodes: document.querySelectorAll('*').length, usable: performance.now() }));
  await page.close();
  return { ...seen, requests, octets, total: Object.values(octets).reduce((a, b) => a + b, 0) };
}

/** Says where a measure is over its limits. */
export function held(name, m, limits, complain) {
  const kb = (n) => Math.round((n ?? 0) / 1000);
  const got = { script: kb(m.octets.Script), style: kb(m.octets.Stylesheet), font: kb(m.octets.Font), total: kb(m.total), requests: m.requests, shift: Math.round(m.shift * 1000) / 1000, nodes: m.nodes,
    first: Math.round(m.first), largest: Math.round(m.largest), blocked: Math.round(m.blocked), usable: Math.round(m.usable) };
  for (const [what, most] of Object.entries(limits)) if (!(got[what] <= most)) complain(name, 'has', what, got[what], 'over', most);
  console.log(`ok ${name}: ${Object.entries(got).map(([k, v]) => `${k} ${v}`).join(', ')}`);
}

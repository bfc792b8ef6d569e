// Opens every page in Chromium and says what is wrong with it, one line each.
// Lines that begin with "ok " are news, not complaints. Reads a description of
// the site as JSON from stdin (see browser_test.go).
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { album } from './album.mjs';

const site = JSON.parse(readFileSync(0, 'utf8'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let bad = 0;
const complain = (...words) => { bad++; console.log(words.join(' ').replaceAll('\n', ' ')); };

const profile = mkdtempSync(join(tmpdir(), 'colporteur-browser-'));
const browser = await chromium.launch({
  executablePath: site.chromium, env: { ...process.env, HOME: profile },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// visit opens a context, watches what its page asks for and complains about, and
// closes it. walk says with at() what it looks at now. 404 is what the gone page
// is made of.
async function visit(options, walk) {
  let what = '';
  const context = await browser.newContext({ locale: 'fr-FR', ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('request', (r) => { if (!r.url().startsWith(site.base + '/') && !r.url().startsWith('data:')) complain(what, 'asks another host for', r.url()); });
  page.on('response', (r) => { if (r.status() >= 400 && !(what.includes('gone') && r.status() === 404)) complain(what, 'got', r.status(), 'for', r.url()); });
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !(what.includes('gone') && m.text().includes('404'))) complain(what, 'console:', m.text()); });
  page.on('pageerror', (e) => complain(what, 'script error:', e.message));
  try {
    await walk(page, (now) => what = now, context);
  } catch (e) {
    complain(what, 'stopped:', e.message);
  }
  await context.close();
}

const widths = [360, 820, 1440];
const entries = Object.entries(site.pages);

// Without JavaScript: what people see.
for (const colorScheme of ['light', 'dark']) {
  for (const lang of ['fr', 'en']) {
    for (const width of widths) {
      await visit({ javaScriptEnabled: false, colorScheme, viewport: { width, height: 900 } }, async (page, at) => {
        for (const [name, path] of entries) {
          for (const text of width < 1440 && colorScheme === 'light' ? [100, 200] : [100]) {
            const what = at(`${name} ${lang} ${colorScheme} ${width} px ${text} %`);
            await page.goto(`${site.base}${path}?lang=${lang}`);
            if (text !== 100) await page.evaluate((t) => { document.documentElement.style.fontSize = `${1.25 * t}%`; }, text);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            if (wide > 0) complain(what, 'scrolls sideways by', wide, 'px');
            const small = await page.evaluate(() => [...document.querySelectorAll('a.button, button, summary, .files a')]
              .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('details[open].ask > summary'))
              .filter((e) => e.getBoundingClientRect().height < 56).map((e) => e.textContent.trim()));
            if (small.length) complain(what, 'has targets under 56 px:', small.join(', '));
            const html = await page.evaluate(() => document.documentElement.lang);
            if (html !== lang) complain(what, 'says it is in', html);
            if (lang === 'fr') {
              const typed = await page.evaluate(() => document.body.innerText.match(/.{0,20}(?:[^\u00a0\u202f][;!?»](?=\s|$)|[^\u00a0\u202f:/]:(?=\s|$)|«[^\u00a0\u202f]).{0,10}/m)?.[0]);
              // What the sender wrote is the sender's.
              if (typed && !/novembre/.test(typed)) complain(what, 'misses a non-breaking space:', typed);
            }
            await page.screenshot({ path: join(site.shots, `${name}-${lang}-${colorScheme}-${width}-${text}.png`), fullPage: true });
          }
        }
      });
    }
  }
}
console.log(`ok screenshots are in ${site.shots}`);

// check has axe look at the page as it is.
async function check(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag2aaa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} (${n.failureSummary})`).join('; ')}`);
  });
  for (const f of found) complain(what, f);
}

// With JavaScript: axe is one. Everything that can be opened is open.
for (const colorScheme of ['light', 'dark']) {
  for (const lang of ['fr', 'en']) {
    for (const width of lang === 'fr' ? [360, 1440] : [820]) {
      await visit({ colorScheme, viewport: { width, height: 900 } }, async (page, at) => {
        for (const [name, path] of entries) {
          const what = at(`axe ${name} ${lang} ${colorScheme} ${width} px`);
          await page.goto(`${site.base}${path}?lang=${lang}`);
          await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
          await check(page, what);
        }
      });
    }
  }
}

// Nothing but a keyboard: Tab until it is there, and the ring can be seen.
async function tabTo(page, what, selector) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    const seen = await page.evaluate((s) => {
      const e = document.activeElement;
      const c = getComputedStyle(e);
      return { there: e.matches(s), name: e.textContent.trim() || e.outerHTML.slice(0, 120), ring: c.outlineStyle !== 'none' && parseFloat(c.outlineWidth) >= 3 };
    }, selector);
    if (!seen.ring) complain(what, 'shows no focus at', seen.name);
    if (seen.there) return;
  }
  throw new Error(`Tab does not reach ${selector}`);
}

await visit({ javaScriptEnabled: false, viewport: { width: 820, height: 900 } }, async (page, at) => {
  at('download by keyboard');
  await page.goto(site.base + site.download.path);
  await tabTo(page, 'download', 'button.big');
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  const sum = createHash('sha256').update(readFileSync(await download.path())).digest('hex');
  if (sum !== site.download.sha256) complain('the download has the SHA-256', sum);
  if (download.suggestedFilename() !== site.download.name) complain('the download is called', download.suggestedFilename());
});

await visit({ javaScriptEnabled: false }, async (page, at) => {
  at('the photos one by one');
  await page.goto(site.base + site.pages.album);
  const photos = await page.locator('.photos a.frame').count();
  // A click does not wait for the pictures of the page it leads to.
  const follow = async (link) => {
    const to = site.base + await link.getAttribute('href');
    await link.click();
    await page.waitForURL(to, { waitUntil: 'load' });
  };
  await follow(page.locator('.photos a.frame').first());
  for (let i = 1; i < photos; i++) {
    if (await page.locator('.look img').evaluate((e) => !e.complete || e.naturalWidth === 0)) complain('photo', i, 'is not shown');
    await follow(page.locator('a[rel=next]'));
  }
  if (await page.locator('a[rel=next]').count()) complain('the last photo has a next one');
});

await album({ site, visit, complain, tabTo, check });

for (const { owner, guest } of site.recall) {
  await visit({ javaScriptEnabled: false, viewport: { width: 820, height: 900 } }, async (page, at, context) => {
    at('recall by keyboard, gone');
    await page.goto(site.base + owner);
    await tabTo(page, 'owner', '.ask summary');
    if (await page.locator('.erase').isVisible()) complain('the button that erases is there before it is asked for');
    await page.keyboard.press('Enter');
    await page.locator('.erase').waitFor();
    await page.screenshot({ path: join(site.shots, `ask-${owner[1]}.png`), fullPage: true });
    const still = await context.request.get(site.base + guest);
    if (still.status() !== 200) complain('asking took it down already:', still.status());
    await tabTo(page, 'owner', '.erase');
    await page.keyboard.press('Enter');
    await page.locator('.erase').waitFor({ state: 'detached' });
    await page.screenshot({ path: join(site.shots, `recalled-${owner[1]}.png`), fullPage: true });
    const after = await page.goto(site.base + guest);
    if (after.status() !== 404) complain('after the recall the guest gets', after.status());
  });
}

await browser.close();
rmSync(profile, { recursive: true, force: true });
process.exit(bad ? 1 : 0);

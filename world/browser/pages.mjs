// Opens plain pages of somebody who is signed in, in Chromium, and says what is
// wrong with them, one line each. Lines that begin with "ok " are news. Reads what
// to do as JSON from stdin (see pages_test.go).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const site = JSON.parse(readFileSync(0, 'utf8'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const complain = (...words) => console.log(words.join(' ').replaceAll('\n', ' '));
const profile = mkdtempSync(join(tmpdir(), 'colporteur-pages-'));
const browser = await chromium.launch({
  executablePath: site.chromium, env: { ...process.env, HOME: profile },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function visit(options, walk) {
  let what = 'signing in';
  const context = await browser.newContext({ locale: 'fr-FR', ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('request', (r) => { if (!r.url().startsWith(site.base + '/') && !r.url().startsWith('data:')) complain(what, 'asks another host for', r.url()); });
  page.on('response', (r) => { if (r.status() >= 400 && !(r.status() === 422 && what.includes('wrong'))) complain(what, 'got', r.status(), 'for', r.url()); });
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !(m.text().includes('422') && what.includes('wrong'))) complain(what, 'console:', m.text()); });
  try {
    await page.goto(`${site.base}/login?to=${site.first}`);
    await page.fill('input[name=name]', site.address);
    await page.fill('input[name=password]', site.password);
    await page.click('main form button');
    await page.waitForURL('**' + site.first);
    await walk(page, (now) => what = now);
  } catch (e) {
    complain(what, 'stopped:', e.message);
  }
  await context.close();
}

// open goes to a page, or to what a form on it leads to.
async function open(page, { path, fill, press }, lang) {
  await page.goto(`${site.base}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
  for (const [field, text] of Object.entries(fill ?? {})) await page.fill(field, text);
  if (press) await Promise.all([page.waitForEvent('domcontentloaded'), page.click(press)]);
}

for (const colorScheme of ['light', 'dark']) {
  for (const lang of ['fr', 'en']) {
    for (const width of [360, 1440]) {
      await visit({ javaScriptEnabled: false, colorScheme, viewport: { width, height: 900 } }, async (page, at) => {
        for (const one of site.pages) {
          const name = one.name, what = at(`${name} ${lang} ${colorScheme} ${width} px`);
          await open(page, one, lang);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          if (wide > 0) complain(what, 'scrolls sideways by', wide, 'px');
          const small = await page.evaluate(() => [...document.querySelectorAll('main :is(nav a, .button, summary, select, input:not([type=checkbox], [type=radio], [type=hidden]))')]
            .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().height < 44).map((e) => e.id || e.textContent.trim()));
          if (small.length) complain(what, 'has targets under 44 px:', small.join(', '));
          if (await page.evaluate(() => document.documentElement.lang) !== lang) complain(what, 'is in another language');
          const raw = await page.evaluate((name) => document.documentElement.textContent.match(new RegExp(`\\b${name}-[a-z]+(-[a-z0-9]+)*\\b`))?.[0], site.name);
          if (raw) complain(what, 'shows the name of a sentence:', raw);
          if (lang === 'fr') {
            const typed = await page.evaluate(() => document.body.innerText.match(/.{0,20}(?:[^\u00a0\u202f][;!?»](?=\s|$)|[^\u00a0\u202f:/]:(?=\s|$)|«[^\u00a0\u202f]).{0,10}/m)?.[0]);
            // What machines say is theirs.
            if (typed && !/IN TXT|k=rsa|dial tcp/.test(typed)) complain(what, 'misses a non-breaking space:', typed);
          }
          await page.screenshot({ path: join(site.shots, `${site.name}-${name}-${lang}-${colorScheme}-${width}.png`), fullPage: true });
        }
      });
    }
  }
}
console.log(`ok screenshots are in ${site.shots}`);

for (const [lang, colorScheme, width] of [['fr', 'light', 360], ['en', 'dark', 1440]]) {
  await visit({ colorScheme, viewport: { width, height: 900 } }, async (page, at) => {
    for (const one of site.pages) {
      const name = one.name;
      at(`axe ${name}`);
      await open(page, one, lang);
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag2aaa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
        return r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} (${n.failureSummary})`).join('; ')}`);
      });
      for (const f of found) complain('axe', name, lang, colorScheme, width, f);
    }
  });
}
await browser.close();
rmSync(profile, { recursive: true, force: true });

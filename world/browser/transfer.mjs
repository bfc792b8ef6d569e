// Takes files as people do, in Chromium, and says what is wrong, one line each.
// Lines that begin with "ok " are news. Reads what to do as JSON from stdin (see
// transfer_test.go).
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const site = JSON.parse(readFileSync(0, 'utf8'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let bad = 0;
const complain = (...words) => { bad++; console.log(words.join(' ').replaceAll('\n', ' ')); };

const profile = mkdtempSync(join(tmpdir(), 'colporteur-transfer-'));
const browser = await chromium.launch({
  executablePath: site.chromium, env: { ...process.env, HOME: profile },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function visit(what, options, walk) {
  const context = await browser.newContext({ locale: 'fr-FR', viewport: { width: 820, height: 900 }, ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('request', (r) => { if (!r.url().startsWith(site.base + '/') && !r.url().startsWith('data:')) complain(what, 'asks another host for', r.url()); });
  page.on('response', (r) => { if (r.status() >= 400 && !(what.includes('wrong') && r.status() === 403)) complain(what, 'got', r.status(), 'for', r.url()); });
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !(what.includes('wrong') && m.text().includes('403'))) complain(what, 'console:', m.text()); });
  page.on('pageerror', (e) => complain(what, 'script error:', e.message));
  try {
    await walk(page, context);
  } catch (e) {
    complain(what, 'stopped:', e.message);
    await page.screenshot({ path: join(site.shots, 't-stopped.png'), fullPage: true }).catch(() => {});
  }
  await context.close();
}

const shot = (page, name) => page.screenshot({ path: join(site.shots, `${name}.png`), fullPage: true });
const open = (page) => page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));

// What people see, without a script.
for (const colorScheme of ['light', 'dark']) {
  for (const lang of ['fr', 'en']) {
    for (const width of [360, 820, 1440]) {
      await visit(`${lang} ${colorScheme} ${width}`, { javaScriptEnabled: false, colorScheme, viewport: { width, height: 900 } }, async (page) => {
        for (const [name, path] of Object.entries(site.pages)) {
          const what = `${name} ${lang} ${colorScheme} ${width} px`;
          await page.goto(`${site.base}${path}?lang=${lang}`);
          for (const folded of [true, false]) {
            if (!folded) await open(page);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            if (wide > 0) complain(what, folded ? '' : 'unfolded', 'scrolls sideways by', wide, 'px');
          }
          const small = await page.evaluate(() => [...document.querySelectorAll('a.button, button, summary, input:not([type=checkbox]):not([type=hidden]), textarea')]
            .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('details[open].ask > summary') && e.getBoundingClientRect().height < 56).map((e) => e.id || e.textContent.trim()));
          if (small.length) complain(what, 'has targets under 56 px:', small.join(', '));
          await shot(page, `${name}-${lang}-${colorScheme}-${width}`);
        }
      });
    }
  }
}
console.log(`ok screenshots are in ${site.shots}`);

// With scripts: axe is one.
for (const [lang, colorScheme, width] of [['fr', 'light', 360], ['fr', 'dark', 1440], ['en', 'light', 820], ['en', 'dark', 360]]) {
  await visit(`axe ${lang} ${colorScheme} ${width}`, { colorScheme, viewport: { width, height: 900 } }, async (page) => {
    for (const [name, path] of Object.entries(site.pages)) {
      await page.goto(`${site.base}${path}?lang=${lang}`);
      await open(page);
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag2aaa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
        return r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} (${n.failureSummary})`).join('; ')}`);
      });
      for (const f of found) complain('axe', name, lang, colorScheme, width, f);
    }
  });
}

await visit('looking', { javaScriptEnabled: false }, async (page) => {
  await page.goto(site.base + site.files);
  const unfold = (name) => page.locator('li', { hasText: name }).locator('.peek summary').click();
  await unfold('plage.jpg');
  const picture = page.locator('.peek img');
  await picture.scrollIntoViewIfNeeded();
  await picture.evaluate((e) => e.complete || new Promise((done, fail) => { e.onload = done; e.onerror = fail; }));
  if (await picture.evaluate((e) => e.naturalWidth === 0)) complain('the picture is not shown');
  await unfold('lisez-moi.txt');
  if (!(await page.locator('.peek pre').textContent()).startsWith('Bonjour à tous')) complain('the text is not shown');
  await unfold('Programme');
  const pdf = await page.locator('.peek a').getAttribute('href');
  const sound = await page.evaluate(() => document.querySelector('.peek audio').src);
  for (const [address, type] of [[site.base + pdf, 'application/pdf'], [sound, 'audio/wav']]) {
    const got = await page.request.get(address);
    if (got.status() !== 200 || !got.headers()['content-type'].startsWith(type)) complain(address, 'answers', got.status(), got.headers()['content-type']);
  }
  if (await page.locator('li', { hasText: 'notes.odt' }).locator('.peek').count()) complain('what no browser shows has a preview');
});

await visit('sound', {}, async (page) => {
  await page.goto(site.base + site.files);
  await open(page);
  const seconds = await page.evaluate(() => new Promise((done) => {
    const a = document.querySelector('audio');
    a.onloadedmetadata = () => done(a.duration);
    a.onerror = () => done(0);
    a.preload = 'metadata';
    a.load();
  }));
  if (!(seconds > 0)) complain('the sound cannot be played');
});

await visit('a limited number', { javaScriptEnabled: false }, async (page) => {
  await page.goto(site.base + site.pages['t-counted']);
  if (await page.locator('.peek, a[href*="/f/"]').count()) complain('what is counted can be looked at');
});

await visit('taking', { javaScriptEnabled: false }, async (page) => {
  await page.goto(site.base + site.files);
  const button = page.locator('li', { hasText: 'plage.jpg' }).getByRole('button', { name: 'Télécharger : plage.jpg' });
  const [one] = await Promise.all([page.waitForEvent('download'), button.click()]);
  const sum = createHash('sha256').update(readFileSync(await one.path())).digest('hex');
  if (sum !== site.sum || one.suggestedFilename() !== 'plage.jpg') complain('the button gives', one.suggestedFilename(), sum);
  const [all] = await Promise.all([page.waitForEvent('download'), page.locator('.actions .button.big').click()]);
  if (!all.suggestedFilename().endsWith('.zip')) complain('everything comes as', all.suggestedFilename());
  await all.path();
  await page.goto(site.base + site.owner);
  if (!/A (tout reçu|reçu \d)/.test(await page.locator('.people').textContent())) complain('the owner does not read who took it:', await page.locator('.people').textContent());
  await shot(page, 't-owner-taken');
});

await visit('a wrong password', { javaScriptEnabled: false }, async (page) => {
  await page.goto(site.base + site.locked);
  if ((await page.content()).includes(site.title)) complain('a locked page says what is behind it');
  await page.locator('#password').fill('autre chose');
  await page.keyboard.press('Enter');
  await page.locator('.said').waitFor();
  await shot(page, 't-locked-wrong');
  await page.locator('#password').fill(site.password);
  await page.keyboard.press('Enter');
  await page.locator('.actions').waitFor();
  if (!(await page.content()).includes(site.title)) complain('the password does not open');
  await shot(page, 't-unlocked');
  await page.reload();
  await page.locator('.actions').waitFor();
});

// Nothing but a keyboard: the ring can be seen wherever it goes.
await visit('by keyboard', { javaScriptEnabled: false }, async (page) => {
  for (const path of [site.owner, site.pages['t-counted'], site.pages['t-limits'], site.locked]) {
    await page.goto(site.base + path);
    for (let i = 0; i < 50; i++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        const c = getComputedStyle(e);
        return e === document.body ? '' : c.outlineStyle !== 'none' && parseFloat(c.outlineWidth) >= 3 ? 'seen' : e.outerHTML.slice(0, 120);
      });
      if (!at) break;
      if (at !== 'seen') complain('no focus is shown at', at);
    }
  }
});

await visit('the owner', { javaScriptEnabled: false }, async (page) => {
  await page.goto(site.base + site.owner);
  await page.locator('#guests').fill('jean@far.test');
  await page.getByRole('button', { name: 'Inviter' }).click();
  await page.locator('.said').waitFor();
  await page.getByRole('button', { name: /jean@far\.test/ }).click();
  await page.waitForURL('**said=t-revoked**');
  if ((await page.locator('.people').textContent()).includes('jean@far.test')) complain('who was revoked is still there');
  await page.locator('#downloads').fill('3');
  await page.getByRole('button', { name: 'Garder ces réglages' }).click();
  await page.waitForURL('**said=rules**');
  if (await page.locator('#downloads').inputValue() !== '3') complain('the limit is not kept');
  await page.locator('.ask summary').click();
  await page.locator('.erase').click();
  await page.waitForURL('**said=t-recalled**');
  await shot(page, 't-recalled');
  if ((await page.request.get(site.base + site.files)).status() !== 404) complain('the guest still gets it');
  await page.locator('form[action*="/restore"] button').click();
  await page.waitForURL('**said=t-restored**');
  if ((await page.request.get(site.base + site.files)).status() !== 200) complain('the guest does not get it back');
  await shot(page, 't-restored');
});

await browser.close();
rmSync(profile, { recursive: true, force: true });
process.exit(bad ? 1 : 0);

// The album page as people use it: with a script and without, by key, by finger,
// on paper.
import { join } from 'node:path';

export async function album({ site, visit, complain, tabTo, check }) {
  const shot = (page, name) => page.screenshot({ path: join(site.shots, `${name}.png`) });
  const counter = (page) => page.locator('.pswp__counter').textContent();
  const opened = async (page) => {
    await page.locator('.pswp[aria-modal]').waitFor(); // the opening is over
    await page.locator('.pswp__item[aria-hidden=false] .pswp__img:not(.pswp__img--placeholder)').first().waitFor();
  };
  const closed = (page) => page.locator('.pswp').waitFor({ state: 'detached' });
  const is = (what, got, want) => { if (got !== want) complain(what, 'is', JSON.stringify(got), 'not', JSON.stringify(want)); };
  const until = async (page, what, f, want) => {
    for (let i = 0; i < 100; i++) {
      if (await f() === want) return;
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
    complain('after waiting,', what, 'is', JSON.stringify(await f()), 'not', JSON.stringify(want));
  };

  for (const [lang, width, colorScheme] of [['fr', 360, 'light'], ['fr', 820, 'dark'], ['en', 1440, 'light']]) {
    await visit({ viewport: { width, height: width < 500 ? 700 : 900 }, colorScheme, locale: lang }, async (page, at) => {
      const what = at(`lightbox by keyboard ${lang} ${width} px`);
      await page.goto(`${site.base}${site.pages.album}?lang=${lang}`);
      const photos = await page.locator('.photos a.frame').count();
      await tabTo(page, what, '.photos a.frame');
      await page.keyboard.press('Enter');
      await opened(page);
      is('the counter', await counter(page), `1 / ${photos}`);
      const heard = () => page.locator('.pswp [role=status]').textContent();
      const first = await heard();
      if (!first.includes(`1 ${lang === 'fr' ? 'sur' : 'of'} ${photos}`)) complain(what, 'reads out', first);
      await check(page, what);
      await shot(page, `lightbox-${lang}-${width}`);
      await page.keyboard.press('ArrowRight');
      await until(page, 'the counter', () => counter(page), `2 / ${photos}`);
      if (await heard() === first) complain(what, 'does not read the next caption out');
      const play = page.locator('.pswp__button--play');
      await play.click();
      is('the slideshow button', await play.getAttribute('aria-pressed'), 'true');
      await page.keyboard.press('ArrowLeft');
      is('the slideshow button after a key', await play.getAttribute('aria-pressed'), 'false');
      await page.keyboard.press('Escape');
      await closed(page);
      is('what has the focus after Escape', await page.evaluate(() => document.activeElement.matches('.photos li:first-child a.frame')), true);
      const address = page.url();
      await page.keyboard.press('Enter');
      await opened(page);
      await page.goBack();
      await closed(page);
      is('the address after Back', page.url(), address);
    });
  }

  await visit({ viewport: { width: 820, height: 900 } }, async (page, at) => {
    at('slideshow');
    await page.clock.install();
    await page.goto(site.base + site.pages.album);
    await page.locator('.photos a.frame').first().click();
    await page.locator('.pswp__button--play').waitFor();
    await page.clock.runFor(1000);
    await page.locator('.pswp__button--play').click();
    await page.clock.runFor(5100);
    is('the photo after five seconds', (await counter(page)).split(' ')[0], '2');
    await page.clock.runFor(10100);
    is('the photo after fifteen', (await counter(page)).split(' ')[0], '4');
  });

  await visit({ viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true }, async (page, at, context) => {
    at('swipe');
    await page.goto(site.base + site.pages.album);
    const photos = await page.locator('.photos a.frame').count();
    await page.locator('.photos a.frame').first().tap();
    await opened(page);
    const finger = await context.newCDPSession(page);
    const touch = (type, x) => finger.send('Input.dispatchTouchEvent', { type, touchPoints: x === undefined ? [] : [{ x, y: 350 }] });
    await touch('touchStart', 300);
    for (let x = 280; x >= 60; x -= 20) await touch('touchMove', x);
    await touch('touchEnd');
    await until(page, 'the counter after a swipe', () => counter(page), `2 / ${photos}`);
    await shot(page, 'lightbox-touch');
  });

  await visit({ viewport: { width: 820, height: 900 } }, async (page, at) => {
    at('the whole album in the lightbox');
    await page.goto(site.base + site.large);
    const here = await page.locator('.photos a.frame').count();
    is('photos on the first page', here, 60);
    await page.locator('.photos a.frame').last().click();
    await opened(page);
    await page.keyboard.press('ArrowRight');
    await until(page, 'the counter', () => counter(page), `61 / ${site.largeCount}`);
    await until(page, 'the photo of the next page', () => page.locator('.pswp__item[aria-hidden=false] img').evaluateAll((l) => l.some((i) => i.naturalWidth > 0)), true);
    await page.keyboard.press('Escape');
    await closed(page);
    await page.locator('a[rel=next]').click();
    await page.waitForURL('**/page/2');
    is('photos on the second page', await page.locator('.photos a.frame').count(), site.largeCount - 60);
    await page.locator('.photos a.frame').first().click();
    await opened(page);
    await page.keyboard.press('ArrowLeft');
    await until(page, 'the photo of the page before', () => page.locator('.pswp__item[aria-hidden=false] img').evaluateAll((l) => l.some((i) => i.naturalWidth > 0)), true);
    is('the counter', await counter(page), `60 / ${site.largeCount}`);
  });

  await visit({ viewport: { width: 820, height: 900 } }, async (page, at) => {
    at('blurred pictures first');
    let open;
    const gate = new Promise((done) => { open = done; });
    await page.route(/\/p\/\d+\/\d+\.(jpg|webp)$/, async (route) => { await gate; await route.continue(); });
    await page.goto(site.base + site.pages.album, { waitUntil: 'domcontentloaded' });
    const blurred = () => page.locator('.photos a.frame').evaluateAll((l) => l.filter((f) => f.style.background.includes('data:image/png')).length);
    const photos = await page.locator('.photos a.frame').count();
    await until(page, 'blurred pictures', blurred, photos);
    const before = await page.evaluate(() => document.documentElement.scrollHeight);
    await shot(page, 'blurred');
    open();
    await page.evaluate(async () => { for (const i of document.querySelectorAll('.photos img')) { i.loading = 'eager'; await i.decode(); } });
    await until(page, 'blurred pictures at the end', blurred, 0);
    is('the height of the page with its pictures', await page.evaluate(() => document.documentElement.scrollHeight), before);
  });

  for (const javaScriptEnabled of [true, false]) {
    await visit({ javaScriptEnabled, viewport: { width: 360, height: 900 } }, async (page, at) => {
      at(`comment, script ${javaScriptEnabled}`);
      const words = `Quelle lumière (${javaScriptEnabled}) <b>et</b> quel calme`;
      await page.goto(site.base + site.pages.album);
      await page.locator('#word').fill(words);
      await page.locator('.words .button:has-text("Laisser ce mot")').click();
      await page.waitForURL('**said=word**');
      if (!(await page.locator('.word .note').allTextContents()).includes(words)) complain('the comment is not there');
      await page.screenshot({ path: join(site.shots, `comment-${javaScriptEnabled}.png`), fullPage: true });
      await page.locator('.photos a.frame').nth(1).evaluate((a) => a.href).then((to) => page.goto(to));
      await page.locator('#word').fill('Sur la photo');
      await page.locator('.words .button:has-text("Laisser ce mot")').click();
      await page.waitForURL('**said=word**');
      await page.screenshot({ path: join(site.shots, `photo-comment-${javaScriptEnabled}.png`), fullPage: true });
    });
  }

  await visit({ javaScriptEnabled: false, viewport: { width: 820, height: 900 } }, async (page, at) => {
    at('the owner without a script');
    await page.goto(site.base + site.pages.albumowner);
    await page.locator('.photos a.frame').first().evaluate((a) => a.href).then((to) => page.goto(to));
    await page.locator('#caption').fill('Le port, six heures du matin');
    await page.locator('button:has-text("Garder la légende")').click();
    await page.waitForURL('**said=caption**');
    is('the caption', await page.locator('figcaption').textContent(), 'Le port, six heures du matin');
    await page.screenshot({ path: join(site.shots, 'photo-owner.png'), fullPage: true });
    await page.locator('button:has-text("Retirer cette photo")').click();
    await page.locator('button:has-text("Remettre la photo")').waitFor();
    await shot(page, 'photo-removed');
    await page.locator('button:has-text("Remettre la photo")').click();
    await page.locator('figcaption').waitFor();
  });

  const sizes = [['fr', 360, 'light'], ['fr', 820, 'dark'], ['en', 1440, 'light']];
  const pictures = async (page, path, name) => {
    for (const [lang, width, colorScheme] of sizes) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.goto(`${site.base}${path}?lang=${lang}`);
      await check(page, `${name} ${lang} ${width} px`);
      await page.screenshot({ path: join(site.shots, `${name}-${lang}-${colorScheme}-${width}.png`), fullPage: true });
    }
  };
  await visit({ viewport: { width: 820, height: 900 } }, async (page, at) => {
    at('an album with a password');
    await page.goto(site.base + site.small.owner);
    await page.locator('#password').fill('chou rouge');
    await page.locator('button:has-text("Garder ces réglages")').click();
    await page.waitForURL('**said=rules**');
    await pictures(page, site.small.guest, 'locked');
    await page.goto(site.base + site.small.guest);
    if ((await page.content()).includes(site.smallName)) complain('a locked page says what is behind it');
    await page.locator('#password').fill('chou rouge');
    await page.keyboard.press('Enter');
    await page.locator('.photos a.frame').waitFor();

    at('an album without photos');
    await page.goto(site.base + site.small.owner);
    await page.locator('.photos a.frame').evaluate((a) => a.href).then((to) => page.goto(to));
    await page.locator('button:has-text("Retirer cette photo")').click();
    await page.locator('button:has-text("Remettre la photo")').waitFor();
    await pictures(page, site.small.guest, 'empty');
    await pictures(page, site.small.owner, 'emptyowner');
    if (await page.locator('.photos').count()) complain('an empty album has a list of photos');
  });

  // A tablet of 2014 that was never updated: no script, no tokens, no gap, no flex
  // without its prefix, no grid, no srcset, no WebP.
  const since = /(?:[\w-]+:[^;{}]*var\([^;{}]*|(?<=[{;\s])(?:--[\w-]+|gap|aspect-ratio|inset|text-wrap|accent-color|flex|flex-wrap|flex-direction|align-items|justify-content)\s*:[^;{}]*|display:\s*(?:inline-)?(?:flex|grid))(?:;|(?=\}))/g;
  await visit({ javaScriptEnabled: false, viewport: { width: 768, height: 1024 } }, async (page, at) => {
    await page.route(/style\.css/, async (route) => {
      const answer = await route.fetch();
      const css = (await answer.text()).replace(/\/\*.*?\*\//gs, '').replace(/@font-face \{.*?\}/gs, '').replace(/^[^\n{}]*:focus-(?:visible|within)[^{]*\{[^}]*\}/gm, '');
      await route.fulfill({ response: answer, body: css.replace(since, '') });
    });
    await page.route(/\/a\/[a-z2-7]+(?:$|\/p\/\d+$|\/print$)/, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace(/<source [^>]*>| srcset="[^"]*"/g, '') });
    });
    for (const [name, path] of Object.entries({ album: site.pages.album, photo: site.pages.photo, albumowner: site.pages.albumowner, print: site.pages.print })) {
      at(`an old tablet, ${name}`);
      await page.goto(site.base + path);
      await page.screenshot({ path: join(site.shots, `old-${name}.png`), fullPage: true });
      const found = await page.evaluate(() => {
        const wrong = [];
        const box = (e) => e.getBoundingClientRect();
        const photos = [...document.querySelectorAll('.photos li')].map(box);
        const frames = [...document.querySelectorAll('.photos .frame')].map(box);
        if (photos.length && !photos.some((p, i) => i > 0 && Math.abs(p.top - photos[i - 1].top) < 2)) wrong.push('photos do not stand in rows');
        if (frames.some((f) => f.width < 120 || f.height < 90)) wrong.push('photos are too small');
        const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
        if (photos.some((a, i) => photos.some((b, j) => j > i && meet(a, b)))) wrong.push('photos lie on each other');
        const look = document.querySelector('.look img');
        if (look && look.naturalWidth < Math.min(1024, Number(look.getAttribute('width')))) wrong.push(`the photo is ${look.naturalWidth} px wide`);
        const press = [...document.querySelectorAll('a.button, button, summary, .foot a')];
        for (const e of press) {
          const c = getComputedStyle(e);
          if (e.matches('.button') && (parseFloat(c.borderTopWidth) < 1 || c.borderTopColor === 'rgba(0, 0, 0, 0)')) wrong.push(`${e.textContent.trim()} does not look like a button`);
          for (const o of press) {
            const [a, b] = [box(e), box(o)];
            if (o !== e && b.left >= a.left && a.top < b.bottom && b.top < a.bottom && b.left - a.right < 8) wrong.push(`${e.textContent.trim()} touches ${o.textContent.trim()}`);
          }
        }
        for (const t of document.querySelectorAll('.tick input')) {
          const r = document.createRange();
          r.selectNodeContents(t.nextSibling);
          if (r.getBoundingClientRect().left - box(t).right < 4) wrong.push(`${t.name} touches its words`);
        }
        if (document.documentElement.scrollWidth > innerWidth) wrong.push('it scrolls sideways');
        return wrong;
      });
      for (const f of found) complain(`an old tablet, ${name}:`, f);
    }
  });

  await visit({ javaScriptEnabled: false, viewport: { width: 820, height: 1160 } }, async (page, at) => {
    at('print');
    await page.goto(site.base + site.pages.print);
    const photos = await page.locator('.sheet img').count();
    if (await page.locator('.sheet img').evaluateAll((l) => l.some((i) => i.loading === 'lazy'))) complain('print waits for photos that are not on the screen');
    const paper = (await page.pdf({ format: 'A4', margin: { top: '15mm', bottom: '15mm', left: '15mm', right: '15mm' }, path: join(site.shots, 'print.pdf') })).toString('latin1');
    const sheets = paper.match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    if (sheets < photos / 2 || sheets > photos / 2 + 2) complain(photos, 'photos take', sheets, 'sheets of paper');
    await page.emulateMedia({ media: 'print' });
    for (const gone of ['footer', '.unprinted']) if (await page.locator(gone).first().isVisible()) complain(gone, 'is printed');
    await page.screenshot({ path: join(site.shots, 'print-paper.png') });
  });
}

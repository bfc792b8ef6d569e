// The lightbox: one photo at a time, as large as the screen, by key, finger or
// button; its caption is shown and read out; it plays by itself when asked to.
import PhotoSwipe from 'photoswipe';
import type { SlideData } from 'photoswipe';

interface Item extends SlideData {
  look: string; // address of the photo's own page
  caption: string;
  title: string; // "Photo 3 sur 60"
}

const perSlide = 5000; // ms that the slideshow stays at a photo
const play = '<svg aria-hidden="true" viewBox="0 0 32 32" width="32" height="32"><path class="play" d="M10 7v18l15-9z"/><path class="pause" d="M9 7h5v18H9zM18 7h5v18h-5z"/></svg>';

export class Box {
  private items: Item[] = []; // by their place in the album; those of other pages come when they are near
  private asked = new Set<number>();
  private per: number;
  private count: number;
  private swipe?: PhotoSwipe;
  private timer = 0;

  constructor(private list: HTMLElement) {
    this.per = Number(list.dataset.per);
    this.count = Number(list.dataset.count);
    this.take(list, Number(list.dataset.page));
  }

  private say(what: string): string { return this.list.dataset[`say${what}`] ?? ''; }

  // take reads the photos that stand on page n.
  private take(list: ParentNode, n: number): void {
    const webp = document.createElement('canvas').toDataURL('image/webp').startsWith('data:image/webp')
      || !!this.list.querySelector<HTMLImageElement>('img')?.currentSrc.endsWith('.webp');
    this.asked.add(n);
    list.querySelectorAll<HTMLAnchorElement>('a.frame').forEach((frame, i) => {
      const img = frame.querySelector('img')!;
      const better = webp ? frame.querySelector('source')?.getAttribute('srcset') : null;
      const srcset = better ?? img.getAttribute('srcset') ?? '';
      const largest = srcset.split(', ').pop()?.split(' ')[0] ?? img.src;
      this.items[(n - 1) * this.per + i] = {
        src: largest, srcset, width: Number(frame.dataset.w), height: Number(frame.dataset.h), alt: img.alt,
        msrc: frame.isConnected ? img.currentSrc : undefined, element: frame.isConnected ? frame : undefined, thumbCropped: true,
        ...(frame.dataset.film ? { type: 'film', film: frame.dataset.film, poster: largest } : {}),
        look: frame.href, caption: frame.parentElement?.querySelector('.caption')?.textContent ?? '', title: frame.dataset.title ?? '',
      };
    });
  }

  // near fetches the pages that the photos beside index stand on.
  private near(index: number): void {
    for (const i of [index, index + 5, index - 5]) {
      if (i < 0 || i >= this.count) continue;
      const n = Math.floor(i / this.per) + 1;
      if (this.asked.has(n)) continue;
      this.asked.add(n);
      void this.fetch(n).catch(() => this.asked.delete(n)); // asked again at the next step
    }
  }

  private async fetch(n: number): Promise<void> {
    const answer = await fetch((n < 2 ? this.list.dataset.path! : `${this.list.dataset.path}/page/${n}`) + location.search);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const list = page.querySelector('.photos[data-box]');
    if (!answer.ok || !list) throw new Error(`page ${n}: ${answer.status}`);
    this.take(list, n);
    const here = this.swipe?.currIndex ?? -9;
    for (const i of [here - 1, here, here + 1]) {
      if (this.items[i] && Math.floor(i / this.per) + 1 === n) this.swipe?.refreshSlideContent(i);
    }
    this.swipe?.dispatch('change');
  }

  open(frame: HTMLAnchorElement): void {
    if (this.swipe) return;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const swipe = this.swipe = new PhotoSwipe({
      index: this.items.findIndex((i) => i?.element === frame),
      loop: false, bgOpacity: 1, spacing: 0.02, wheelToZoom: true, mainClass: 'box', showHideAnimationType: still ? 'none' : 'zoom',
      showAnimationDuration: 140, hideAnimationDuration: 140, zoomAnimationDuration: still ? false : 140,
      closeTitle: this.say('Close'), zoomTitle: this.say('Zoom'), arrowPrevTitle: this.say('Previous'), arrowNextTitle: this.say('Next'),
      errorMsg: this.say('Error'), initialZoomLevel: 'fit', secondaryZoomLevel: 2.5, maxZoomLevel: 5,
      // Room for the bar above; the caption lies over the foot of the picture's room.
      paddingFn: (size) => ({ top: 56, bottom: size.x < 600 ? 128 : 96, left: 0, right: 0 }),
    });
    swipe.addFilter('numItems', () => this.count);
    swipe.addFilter('itemData', (_, i) => this.items[i] ?? { type: 'wait', width: 400, height: 300 });
    this.films(swipe);
    this.controls(swipe);
    swipe.on('change', () => this.near(swipe.currIndex));
    swipe.on('bindEvents', () => {
      const root = swipe.element!;
      root.setAttribute('aria-modal', 'true');
      root.setAttribute('aria-label', this.say('Label'));
    });
    swipe.on('destroy', () => {
      this.play(false);
      this.swipe = undefined;
      removeEventListener('popstate', close);
      if (history.state?.box) history.back();
    });
    // The browser's Back closes it, as people expect on a phone.
    const close = () => swipe.close();
    history.pushState({ box: true }, '');
    addEventListener('popstate', close);
    swipe.init();
    this.near(swipe.currIndex);
  }

  // films play in the box as they do on their own page.
  private films(swipe: PhotoSwipe): void {
    swipe.on('contentLoad', (e) => {
      if (e.content.type !== 'film' && e.content.type !== 'wait') return;
      e.preventDefault();
      const film = document.createElement(e.content.type === 'film' ? 'video' : 'div');
      if (film instanceof HTMLVideoElement) {
        film.controls = true;
        film.preload = 'none';
        film.poster = e.content.data.poster;
        film.src = e.content.data.film;
        film.setAttribute('aria-label', e.content.data.alt ?? '');
      }
      e.content.element = film as unknown as HTMLDivElement;
      e.content.state = 'loaded';
    });
    swipe.on('contentDeactivate', ({ content }) => { if (content.element instanceof HTMLVideoElement) content.element.pause(); });
  }

  private controls(swipe: PhotoSwipe): void {
    swipe.on('uiRegister', () => {
      swipe.ui!.registerElement({
        name: 'play', order: 9, isButton: true, tagName: 'button', title: this.say('Play'), html: play,
        onInit: (button) => button.setAttribute('aria-pressed', 'false'),
        onClick: () => this.play(!this.timer),
      });
      swipe.ui!.registerElement({
        name: 'words', order: 9, isButton: false, appendTo: 'root',
        onInit: (foot) => {
          const caption = document.createElement('p');
          const page = document.createElement('a');
          page.textContent = this.say('Open');
          const live = document.createElement('p');
          live.className = 'heard';
          live.setAttribute('role', 'status');
          foot.append(caption, page, live);
          swipe.on('change', () => {
            const item = this.items[swipe.currIndex];
            caption.textContent = item?.caption ?? '';
            page.href = item?.look ?? '';
            live.textContent = item ? `${item.title}. ${item.caption}` : '';
          });
        },
      });
    });
    // Whoever turns the pages themselves does not want them turned.
    swipe.on('pointerDown', () => this.play(false));
    swipe.on('keydown', ({ originalEvent: e }) => { if (e.key.startsWith('Arrow')) this.play(false); });
  }

  private play(on: boolean): void {
    clearInterval(this.timer);
    this.timer = 0;
    const button = this.swipe?.element?.querySelector('.pswp__button--play');
    if (on) {
      this.timer = window.setInterval(() => {
        if (!this.swipe || this.swipe.currIndex >= this.count - 1) this.play(false);
        else this.swipe.next();
      }, perSlide);
    }
    button?.setAttribute('aria-pressed', String(on));
    button?.setAttribute('title', this.say(on ? 'Pause' : 'Play'));
    button?.setAttribute('aria-label', this.say(on ? 'Pause' : 'Play'));
  }
}

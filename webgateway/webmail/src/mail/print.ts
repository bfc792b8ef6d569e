/** Prints a message as a letter: who wrote it, to whom, when, and nothing of the app. */
export function print(id: string, images: boolean): void {
  // Nobody says when the last one has been printed: where a page may run nothing,
  // its events are not heard in every browser.
  document.querySelector('iframe.unseen')?.remove();
  const frame = document.createElement('iframe');
  frame.className = 'unseen';
  frame.setAttribute('aria-hidden', 'true');
  frame.tabIndex = -1;
  frame.setAttribute('sandbox', 'allow-same-origin allow-modals allow-popups allow-popups-to-escape-sandbox');
  frame.src = `/mail/message/${id}?print${images ? '&images=1' : ''}`;
  frame.onload = () => frame.contentWindow?.print();
  document.body.append(frame);
}

/** Prints a message as a letter: who wrote it, to whom, when, and nothing of the app. */
export function print(id: string, images: boolean): void {
  const frame = document.createElement('iframe');
  frame.className = 'unseen';
  frame.setAttribute('aria-hidden', 'true');
  frame.setAttribute('sandbox', 'allow-same-origin allow-modals allow-popups allow-popups-to-escape-sandbox');
  frame.src = `/mail/message/${id}?print${images ? '&images=1' : ''}`;
  frame.onload = () => {
    const page = frame.contentWindow;
    if (!page) return frame.remove();
    page.addEventListener('afterprint', () => frame.remove(), { once: true });
    page.print();
  };
  document.body.append(frame);
}

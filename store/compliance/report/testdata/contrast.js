// Looks at every text of the page: how it stands out from what is behind it.
(() => {
  const rgb = s => { const n = s.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = c => { const l = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * l[0] + .7152 * l[1] + .0722 * l[2] };
  const behind = e => {
    const layers = [];
    for (; e; e = e.parentElement) { if (!(e instanceof SVGElement)) layers.push(rgb(getComputedStyle(e).backgroundColor)) }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const bad = []; let texts = 0;
  for (let n; n = walk.nextNode();) {
    const e = n.parentElement, text = n.data.trim();
    if (!text || e.tagName === 'title' || e.closest('symbol')) continue;
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!box.width || style.visibility === 'hidden') continue;
    texts++;
    const svg = e instanceof SVGElement, ground = behind(e), ink = over(rgb(svg ? style.fill : style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) bad.push(ratio.toFixed(2) + ' ' + text.slice(0, 40));
    if (size < 12) bad.push(size + ' px: ' + text.slice(0, 40));
    if (!svg && e.scrollWidth > e.clientWidth + 1 && style.overflow !== 'visible' ) bad.push('cut off: ' + text.slice(0, 40));
    if (box.right > innerWidth + 1 || box.left < -1) bad.push('outside the window: ' + text.slice(0, 40));
  }
  return { Texts: texts, Bad: bad, Wide: document.documentElement.scrollWidth - innerWidth };
})()

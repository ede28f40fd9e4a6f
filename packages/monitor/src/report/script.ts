/** The page's behaviour; without it the page shows everything, unsorted. No `</` may occur here. */
export const SCRIPT = `
document.querySelectorAll('table.sortable').forEach(table => {
  const heads = [...table.querySelectorAll('thead tr:last-child th')];
  const body = table.tBodies[0];
  const value = (row, i) => { const v = row.cells[i].dataset.v; return v === '' ? null : isNaN(v) ? v : Number(v); };
  heads.forEach((head, i) => head.firstElementChild.addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') !== 'ascending';
    heads.forEach(h => h.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const sign = up ? 1 : -1;
    body.append(...[...body.rows].sort((a, b) => {
      const x = value(a, i), y = value(b, i);
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y)));
    }));
  }));
});
document.querySelectorAll('.sample').forEach(sample => {
  const layers = [...sample.querySelectorAll('.layer')];
  const tabs = sample.querySelector('.tabs');
  if (tabs) {
    const show = chosen => {
      layers.forEach(l => { l.hidden = l.dataset.layer !== chosen; });
      [...tabs.children].forEach(t => t.setAttribute('aria-pressed', String(t.dataset.layer === chosen)));
    };
    tabs.hidden = false;
    tabs.addEventListener('click', e => { const t = e.target.closest('button'); if (t) show(t.dataset.layer); });
    show(layers[0].dataset.layer);
  }
  layers.forEach(layer => {
    const buttons = [...layer.querySelectorAll('.experts button')];
    const route = layer.querySelector('.route');
    layer.addEventListener('click', e => {
      const button = e.target.closest('.experts button');
      if (button) {
        const on = button.getAttribute('aria-pressed') !== 'true';
        buttons.forEach(b => b.setAttribute('aria-pressed', String(on && b === button)));
        layer.querySelectorAll('.t').forEach(t => t.classList.toggle('off', on && t.dataset.e !== button.dataset.e));
        const n = layer.querySelectorAll('.t[data-e="' + button.dataset.e + '"]').length;
        route.textContent = on ? 'Expert ' + button.dataset.e + ' comes first for ' + n + ' tokens.' : '';
      }
      const token = e.target.closest('.t');
      if (token) {
        layer.querySelectorAll('.t.chosen').forEach(t => t.classList.remove('chosen'));
        token.classList.add('chosen');
        route.textContent = JSON.stringify(token.textContent.replaceAll('\\u21b5', '')) + ': ' + token.title;
      }
    });
  });
});`;

// Rows out of sight are not laid out, and neither are new ones for a moment: until then a row has the height that it
// is thought to have, which is that of the row before it.
export const keepHeight = (old, fresh) => {
  if (!old || old.dataset.group !== fresh.dataset.group) return;
  const { paddingTop, paddingBottom, borderTopWidth, borderBottomWidth } = getComputedStyle(old);
  const around = [paddingTop, paddingBottom, borderTopWidth, borderBottomWidth].reduce((sum, part) => sum + parseFloat(part), 0);
  fresh.style.containIntrinsicBlockSize = `auto ${old.getBoundingClientRect().height - around}px`;
};

"""Computed in the page: texts whose contrast with what is behind them is less than 4.5 to 1.

Luminance and ratio as WCAG 2.2 defines them (relative luminance of sRGB; 1.4.3 asks for 4.5).
"""

FAINT_TEXT = """
(() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const read = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const found = read(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !one.checkVisibility() || one.closest("template, .stale, option, script")) continue;
    const style = getComputedStyle(one), inSvg = one instanceof SVGElement;
    const a = light(read(inSvg ? style.fill : style.color)), b = light(behind(one));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${one.textContent.trim().slice(0, 30)}: ${ratio.toFixed(1)}`);
  }
  return faint;
})()
"""

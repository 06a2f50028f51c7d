// xterm.js writes styles as text, which the page's policy forbids to everybody. Here they go the two
// ways that no markup can go: sheets made by script, and the style of one element.

Object.defineProperty(HTMLStyleElement.prototype, "textContent", {
  set(text) {
    this.sheet_of_script ??= adopted();
    this.sheet_of_script.replaceSync(text);
  },
});

const remove = Element.prototype.remove;
HTMLStyleElement.prototype.remove = function () {
  const gone = this.sheet_of_script;
  document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== gone);
  remove.call(this);
};

const set_attribute = Element.prototype.setAttribute;
HTMLElement.prototype.setAttribute = function (name, value) {
  if (name === "style") {
    this.style.cssText = value;
  } else {
    set_attribute.call(this, name, value);
  }
};

function adopted() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  return sheet;
}

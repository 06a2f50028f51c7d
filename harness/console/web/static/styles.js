// xterm.js writes styles as text, which the page's policy forbids to everybody. Here they go the two
// ways that no markup can go: sheets made by script, and the style of one element.

const create = document.createElement;
document.createElement = function (name, ...more) {
  return name === "style" ? stand_in() : create.call(document, name, ...more);
};

const set_attribute = Element.prototype.setAttribute;
HTMLElement.prototype.setAttribute = function (name, value) {
  if (name === "style") {
    this.style.cssText = value;
  } else {
    set_attribute.call(this, name, value);
  }
};

// An element that shows nothing; the text that is put into it is a sheet of the page.
function stand_in() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  const element = create.call(document, "template");
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

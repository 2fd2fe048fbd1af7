// Logging by keyboard: what the server read of the line goes into the fields nobody has touched; the fields are the truth.
import "/static/unsent.js";

const begin = () => {
  const form = document.getElementById("log");
  const reading = document.getElementById("reading");
  if (!form || !reading) return;
  const touched = new Set();
  const line = form.elements.namedItem("line");
  const unit = form.elements.namedItem("unit");
  const first = unit.value;
  const filled = new Set();
  form.elements.namedItem("own").value = "*";

  const fill = () => {
    const read = document.getElementById("read");
    if (!read || read.dataset.line !== line.value.trim()) return; // it tells of an older line
    const values = JSON.parse(read.dataset.fill);
    for (const name of new Set([...filled, ...Object.keys(values)])) {
      const field = form.elements.namedItem(name);
      if (!field || touched.has(name)) continue;
      field.value = values[name] ?? (name === "unit" ? first : "");
      if (name in values) filled.add(name); else filled.delete(name);
    }
    form.elements.namedItem("read").value = line.value;
  };

  form.addEventListener("input", (event) => {
    if (event.target === line) return;
    touched.add(event.target.name);
    form.elements.namedItem("own").value = ["*", ...touched].join();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.target === line) {
      event.preventDefault();
      (line.value.trim() ? document.getElementById("send") : line).focus();
    }
  });
  new MutationObserver(fill).observe(reading, { childList: true });
  fill();
};

document.addEventListener("reporter:page", begin);
begin();

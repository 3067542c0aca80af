const root = document.documentElement;
const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
system.addEventListener("change", nameTheme);
nameTheme();

const gallery = document.querySelector(".gallery");
const cards = [...(gallery?.children ?? [])];
const tools = document.querySelector(".tools");
const orders = {
  worst: () => 0,  // as they stand in the page
  name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
  moved: (a, b) => b.dataset.moved - a.dataset.moved,
  changed: (a, b) => b.dataset.changed - a.dataset.changed,
  slowest: (a, b) => b.dataset.seconds - a.dataset.seconds,
};
const arrange = () => {
  const words = tools.querySelector("[name=find]").value.toLowerCase();
  const tag = tools.querySelector("[name=show]").value;
  let shown = 0;
  for (const card of cards) {
    const fits = card.dataset.name.toLowerCase().includes(words) && (!tag || card.classList.contains(tag));
    card.hidden = !fits;
    shown += fits;
  }
  tools.querySelector("output").textContent = `${shown} of ${cards.length}`;
  const order = orders[tools.querySelector("[name=order]").value];
  [...cards].sort(order).forEach((card, place) => { card.style.order = place; });  // moving thousands takes seconds
};
if (tools) {
  tools.addEventListener("input", arrange);
  arrange();
}

const uncover = (slider) => slider.parentElement.style.setProperty("--share", slider.value + "%");
document.addEventListener("input", (event) => {
  if (event.target.matches(".slider > input")) uncover(event.target);
});

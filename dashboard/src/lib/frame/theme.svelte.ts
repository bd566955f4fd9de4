type Theme = "light" | "dark";

/** Light or dark: what the person chose, else what the system says. `app.html` sets it before anything is painted. */
class ThemeSwitch {
  current = $state<Theme>(document.documentElement.dataset.theme === "dark" ? "dark" : "light");

  toggle(): void {
    this.current = this.current === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = this.current;
    localStorage.setItem("theme", this.current);
  }
}

export const theme = new ThemeSwitch();

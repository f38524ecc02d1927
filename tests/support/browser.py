"""A real Chromium, and what pages of MLflow's UI show in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which

from playwright.sync_api import ConsoleMessage, Page, Response, sync_playwright

QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
NOT_OURS = "users/current"  # MLflow asks who is there, also where it knows nobody, and gets 404
OF_DRAWING = "Error: <"  # begins what is said of MLflow's charts that are drawn before they have a size
OF_SIZES = "ResizeObserver loop"  # what Chromium says where it looks at sizes again a frame later, as on a busy machine


@contextmanager
def opened(width: int = 1280, height: int = 900) -> Iterator[tuple[Page, list[str]]]:
    """Give a page in a fresh Chromium, and what goes wrong in it: errors of its console, answers of 400 and more."""
    path = which("chromium") or which("google-chrome")
    assert path, "install Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET.split())
        page, errors = browser.new_page(viewport={"width": width, "height": height}), []

        def hear(message: ConsoleMessage) -> None:
            not_ours = NOT_OURS in str(message.location) or message.text.startswith(OF_DRAWING)
            if message.type == "error" and not not_ours and OF_SIZES not in message.text:
                errors.append(message.text)

        def look(response: Response) -> None:
            if response.status >= 400 and NOT_OURS not in response.url:
                errors.append(f"{response.status} {response.url}")

        page.on("console", hear)
        page.on("response", look)
        page.on("pageerror", lambda error: errors.extend([str(error)] if OF_SIZES not in str(error) else []))
        # The assistant opens itself beside the first page that a browser sees.
        page.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        try:
            yield page, errors
        finally:
            browser.close()


def cells(page: Page, column: str, *, whole: bool = True) -> list[str]:
    """Return the texts of a column of the list of runs, from the top; if they must be whole, none may be cut."""
    found = page.locator(f'.ag-cell[col-id="{column}"]')
    found.first.wait_for()
    rows = found.evaluate_all(
        """cells => cells.map(cell => [
            Number(cell.closest('.ag-row').getAttribute('row-index')),
            (cell.querySelector('a') || cell).innerText.trim(),
            [cell, ...cell.querySelectorAll('*')].some(one => one.scrollWidth > one.clientWidth + 1),
        ])"""
    )
    assert not [text for _, text, cut in rows if cut and whole]
    return [text for _, text, _ in sorted(rows)]

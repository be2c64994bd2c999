"""The notebooks of examples/notebooks, cell by cell. Cells tagged needs:MODULE run where that is installed."""

import contextlib
import io
import json
import pathlib
import unittest
import warnings

from case import Case, installed

NOTEBOOKS = pathlib.Path(__file__).parents[2] / "examples" / "notebooks"


class Notebooks(Case):
    def run_cells(self, path):
        names, run = {"__name__": "__main__"}, 0
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            needs = [tag.split(":")[1] for tag in cell["metadata"].get("tags", ()) if tag.startswith("needs:")]
            if cell["cell_type"] != "code" or not all(installed(module) for module in needs):
                continue
            source = "".join(cell["source"])
            exec(compile(source, f"{path.name}, {cell['id']}", "exec"), names)
            run += 1
        return run

    def test_notebooks(self):
        paths = sorted(NOTEBOOKS.glob("*.ipynb"))
        self.assertGreaterEqual(len(paths), 3)
        (pathlib.Path.cwd() / "experiments").symlink_to(NOTEBOOKS.parents[1] / "experiments")
        for path in paths:
            with self.subTest(path.name), contextlib.redirect_stdout(io.StringIO()), \
                    warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of claims without their runs, of Agg
                self.assertGreaterEqual(self.run_cells(path), 2)

    def test_the_readme_shows_the_first_cell(self):
        first = next(cell for cell in json.loads((NOTEBOOKS / "sweep.ipynb").read_text(encoding="utf-8"))["cells"]
                     if cell["cell_type"] == "code")
        readme = (NOTEBOOKS.parents[1] / "README.md").read_text(encoding="utf-8")
        for line in "".join(first["source"]).splitlines()[:4]:
            self.assertIn(line, readme)


if __name__ == "__main__":
    unittest.main()

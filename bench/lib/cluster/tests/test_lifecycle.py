"""The end of a cluster."""

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from cluster import lifecycle, places


class Down(unittest.TestCase):
    def test_one_that_ended_by_itself_leaves_nothing_either(self):
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(places, "STATE", Path(folder) / "state.json"),
            mock.patch.object(lifecycle, "remove_cgroups") as removed,
        ):
            self.assertFalse(lifecycle.down())
            removed.assert_not_called()  # nothing of ours was there
            places.STATE.write_text(json.dumps({"pid": 1, "started": "long ago"}))
            self.assertFalse(lifecycle.down())
            removed.assert_called_once()
            self.assertFalse(places.STATE.exists())

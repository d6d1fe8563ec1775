"""Every upload that must be refused, by name; also for tests that send them over HTTP.

for name, bad in BAD_FILES.items():
    upload(bad.build())  # is refused with bad.code, naming bad.member
"""

from tests.worker.layouts.bad_archives import BAD_ARCHIVES
from tests.worker.layouts.bad_arrays import BAD_ARRAYS
from tests.worker.layouts.bad_disguises import BAD_DISGUISES
from tests.worker.layouts.bad_file import BadFile
from tests.worker.layouts.bad_formats import BAD_FORMATS
from tests.worker.layouts.bad_images import BAD_IMAGES
from tests.worker.layouts.bad_metadata import BAD_METADATA

BAD_FILES: dict[str, BadFile] = (
    BAD_ARCHIVES | BAD_IMAGES | BAD_ARRAYS | BAD_DISGUISES | BAD_FORMATS | BAD_METADATA
)

__all__ = ["BAD_FILES", "BadFile"]

"""How large an upload may be, in every direction in which it can be large."""

from dataclasses import dataclass, replace

MIB = 1024**2
GIB = 1024**3
_NO_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one uploaded dataset and on the process that reads it.

    Bytes are bytes, sides and pixels are those of one decoded image.

    Attributes:
        max_members: entries of the archive, folders and ignored files included.
        max_name_bytes: bytes of one member name.
        max_member_bytes: unpacked bytes of one image file. An array of an npz has no cap of its
            own, `max_total_bytes` holds it.
        max_total_bytes: unpacked bytes of all members together.
        max_ratio: unpacked bytes per byte of the archive. Counts only above
            `ratio_floor_bytes`, since a small file of blank pixels packs very well in all honesty.
        max_images: images of both splits together.
        max_decoded_bytes: bytes of all pixels together, as stored in the canonical form.
        min_side, max_side: height and width of an image, in pixels.
        max_pixels: height times width of an image.
        max_classes: classes of the dataset; two is the fewest.
        min_images_per_class: training images of each class. Two, so that one can be set aside for
            the evaluation when the upload brings no test images.
        sandbox_memory_bytes: address space of the reading process (`RLIMIT_AS`).
        sandbox_cpu_seconds: processor time of the reading process (`RLIMIT_CPU`).
        sandbox_wall_seconds: seconds on the clock until the reading process is stopped.
    """

    max_members: int = 250_000
    max_name_bytes: int = 512
    max_member_bytes: int = 64 * MIB
    max_total_bytes: int = 16 * GIB
    max_ratio: int = 100
    ratio_floor_bytes: int = 64 * MIB
    max_images: int = 200_000
    max_decoded_bytes: int = 16 * GIB
    min_side: int = 8
    max_side: int = 4096
    max_pixels: int = 4096 * 4096
    max_classes: int = 1000
    min_images_per_class: int = 2
    sandbox_memory_bytes: int = 2 * GIB
    sandbox_cpu_seconds: int = 1800
    sandbox_wall_seconds: int = 3600

    def for_own_output(self) -> "Limits":
        """The same limits without caps on packed size, to read what we wrote ourselves.

        A JPEG of 40 kB comes back as a PNG of 400 kB: a dataset that was small enough on its way
        in must not be refused on its way out.
        """
        return replace(
            self,
            max_member_bytes=_NO_LIMIT,
            max_total_bytes=_NO_LIMIT,
            ratio_floor_bytes=_NO_LIMIT,
        )

"""The upload form, read as it arrives: the file's bytes come out as they come in."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from service.datasets import problems
from service.kit.text import printable

NAME_CHARACTERS = 200
_NAME_BYTES = 4 * NAME_CHARACTERS


class UploadForm:
    """A multipart form with one `file` and an optional `name`, in any order.

    Args:
        content_type: the request's header, which holds the boundary.

    Raises:
        Refusal: the request holds no multipart form.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise problems.form_expected()
        if not options.get(b"boundary"):
            raise problems.form_malformed("its Content-Type names no boundary")
        self.has_file = False
        self._filename = ""
        self._name: bytes | None = None
        self._field: str | None = None
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._pieces: list[memoryview] = []
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._part_is_named,
                    "on_part_data": self._part_data,
                },
            )
        except FormParserError as error:
            raise problems.form_malformed("its boundary is too long") from error

    def feed(self, chunk: bytes) -> list[memoryview]:
        """Read the next bytes of the body and return what they hold of the file.

        Raises:
            Refusal: the form is malformed, or has a field too many.
        """
        self._pieces = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise problems.form_malformed("a boundary or a header is not as it must be") from error
        return self._pieces

    def end(self) -> None:
        """The body has ended.

        Raises:
            Refusal: the form has not, or it has no file.
        """
        if self._parser.state != MultipartState.END:
            raise problems.form_malformed()
        if not self.has_file:
            raise problems.file_missing()

    @property
    def name(self) -> str:
        """The name for the dataset: the field `name`, or else the name of the file.

        Raises:
            Refusal: the field is too long or no text.
        """
        if self._name is None:
            return (
                printable(self._filename.replace("\\", "/").rsplit("/", 1)[-1])[:NAME_CHARACTERS]
                or "dataset"
            )
        try:
            name = printable(self._name.decode())
        except UnicodeDecodeError as error:
            raise problems.name_invalid() from error
        if len(name) > NAME_CHARACTERS:
            raise problems.name_invalid()
        return name or "dataset"

    def _part_begins(self) -> None:
        self._disposition = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _part_is_named(self) -> None:
        _, options = parse_options_header(self._disposition)
        field = options.get(b"name", b"").decode(errors="replace")
        filename = options.get(b"filename")
        if field == problems.FILE:
            if filename is None:
                raise problems.file_missing()
            if self.has_file:
                raise problems.file_repeated()
            self.has_file = True
            self._filename = filename.decode(errors="replace")
        elif field == "name" and filename is None and self._name is None:
            self._name = b""
        elif field == "name":
            raise problems.name_invalid()
        else:
            raise problems.field_unknown(printable(field)[:80])
        self._field = field

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field == problems.FILE:
            self._pieces.append(memoryview(data)[start:end])
        else:
            self._name = (self._name or b"") + data[start:end]
            if len(self._name) > _NAME_BYTES:
                raise problems.name_invalid()

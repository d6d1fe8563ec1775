"""Every reason for which an upload can be refused once it is read."""

from typing import Final, Literal, get_args

Code = Literal[
    # the archive
    "not_an_archive",
    "zip_truncated",
    "zip_damaged",
    "zip_encrypted",
    "zip_compression_unsupported",
    "zip_unsafe_name",
    "zip_duplicate_name",
    "zip_special_member",
    "zip_overlapping_members",
    "zip_bomb",
    "too_many_members",
    "member_too_large",
    "dataset_too_large",
    # the layout of an image folder
    "layout_unknown",
    "no_images",
    "train_missing",
    "test_class_unknown",
    "one_class_only",
    "class_too_small",
    "too_many_classes",
    "too_many_images",
    "mixed_sizes",
    # one image
    "not_an_image",
    "image_format_unsupported",
    "image_svg",
    "image_animated",
    "image_truncated",
    "image_damaged",
    "image_too_large",
    "image_too_small",
    "image_has_alpha",
    "image_16_bit",
    "image_mode_unsupported",
    # the arrays of an npz
    "npz_array_missing",
    "npz_array_unknown",
    "npz_array_damaged",
    "npz_object_array",
    "npz_fortran_order",
    "images_not_uint8",
    "images_shape",
    "labels_not_integer",
    "labels_shape",
    "label_count_mismatch",
    "shape_mismatch",
    "labels_out_of_range",
    # the files of MNIST IDX and CIFAR-10 binary
    "binary_file_missing",
    "binary_file_unknown",
    "binary_file_damaged",
    # the columns of a parquet file
    "parquet_damaged",
    "parquet_column_missing",
    "parquet_column_unknown",
    "parquet_value_invalid",
    # the process that reads
    "decoder_limits",
]
CODES: Final = frozenset[str](get_args(Code))

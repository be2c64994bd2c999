"""Writes a GGUF file again with its matrices in another type: gguf_requantise.py IN OUT TYPE [KEY=NUMBER ...]

TYPE is f16, q8_0, q5_0, q4_1, q4_0 or `same`; vectors stay as they are. A KEY=NUMBER replaces a
number of the header, as in llama.context_length=16384, which lets llama.cpp serve a longer context
than the file names. Weights that were quantised before keep what that has cost them.
"""

import sys

import gguf


def copy_header(reader, writer, left_out, replaced):
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in left_out:
            continue
        value, kind = field.contents(), field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        if field.name in replaced:
            value = type(value)(replaced.pop(field.name))
        writer.add_key_value(field.name, value, kind, sub_type=sub)
    if replaced:
        sys.exit(f"gguf_requantise: the header has no {', '.join(replaced)}")


def main():
    source, target, name = sys.argv[1:4]
    replaced = dict(argument.split("=") for argument in sys.argv[4:])
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields[gguf.Keys.General.ARCHITECTURE].contents())
    written = [gguf.Keys.General.ARCHITECTURE] + ([] if name == "same" else [gguf.Keys.General.FILE_TYPE])
    copy_header(reader, writer, written, replaced)
    if name != "same":
        writer.add_file_type(gguf.LlamaFileType["MOSTLY_" + name.upper()])
    for tensor in reader.tensors:
        kept = name == "same" or len(tensor.shape) < 2
        kind = tensor.tensor_type if kept else gguf.GGMLQuantizationType[name.upper()]
        data = tensor.data
        if not kept:
            data = gguf.quantize(gguf.dequantize(data, tensor.tensor_type), kind)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()

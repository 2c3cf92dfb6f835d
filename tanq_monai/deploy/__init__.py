"""The networks outside of Python: ONNX."""

"""Parses exported Python files with `ast` and tells what in them is no network: usage check_python.py FOLDER.

Prints one JSON object: for each .py file of FOLDER the things found that an exported network does not consist of. Nothing is run.
"""
import ast
import json
import os
import sys

TOP = "Expr Import Import Import Import Import ImportFrom ClassDef:Modules FunctionDef:put FunctionDef:constant FunctionDef:drop_path ClassDef:Model FunctionDef:load If"
IMPORTS = ["base64", "os", "zlib", "torch", "torch.nn.functional"]
NODES = (
    ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Expr, ast.Assign, ast.If, ast.Return, ast.Call, ast.keyword,
    ast.Attribute, ast.Name, ast.Load, ast.Store, ast.Constant, ast.Tuple, ast.Subscript, ast.Slice,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult, ast.UnaryOp, ast.USub,
)
FUNCTIONS = {"put", "constant", "drop_path", "float", "super"}
OF_LIBRARIES = {
    "torch": {"zeros", "cat", "roll", "sigmoid", "tanh", "int64", "float32"},
    "nn": {"Module", "Parameter", "Conv2d", "Linear", "BatchNorm2d", "LayerNorm"},
    "F": {"pad", "relu", "relu6", "leaky_relu", "gelu", "silu", "hardswish", "hardsigmoid", "max_pool2d", "avg_pool2d", "dropout"},
}
METHODS = {"transpose", "movedim", "reshape", "permute", "softmax", "mean", "expand", "__init__", "register_buffer", "shape"}


def root(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else type(node).__name__


def title(node):
    name = getattr(node, "name", None)
    return type(node).__name__ + (":" + name if name else "")


def problems_of_network(model):
    assigned = {n.id for n in ast.walk(model) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    known = assigned | FUNCTIONS | set(OF_LIBRARIES) | {"self", "images"}
    if assigned & (FUNCTIONS | set(OF_LIBRARIES) | {"self", "images"}):
        yield "a library's name is assigned"
    for node in ast.walk(model):
        if not isinstance(node, NODES):
            yield type(node).__name__
        elif isinstance(node, ast.Name) and node.id not in known:
            yield f"name {node.id}"
        elif isinstance(node, ast.Attribute):
            base = node.value.id if isinstance(node.value, ast.Name) else ""
            own = root(node) == "self" and not node.attr.startswith("__")
            if not (node.attr in OF_LIBRARIES.get(base, ()) or own or node.attr in METHODS):
                yield f"attribute {node.attr}"
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id not in FUNCTIONS:
                yield f"call of {node.func.id}"
            elif not isinstance(node.func, (ast.Name, ast.Attribute, ast.Subscript)):
                yield f"call of a {type(node.func).__name__}"


def problems(source):
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    titles = " ".join(map(title, tree.body))
    if titles != TOP:
        return ["consists of " + titles]
    if not isinstance(tree.body[0].value, ast.Constant):
        return ["its description is no string"]
    imports = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    found = [] if imports == IMPORTS else [f"imports {imports}"]
    model = next(node for node in tree.body if title(node) == "ClassDef:Model")
    if [title(node) for node in model.body] != ["FunctionDef:__init__", "FunctionDef:forward"]:
        found.append("Model consists of " + " ".join(map(title, model.body)))
    return found + sorted(set(problems_of_network(model)))


folder = sys.argv[1]
files = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
print(json.dumps({name: problems(open(os.path.join(folder, name), "rb").read()) for name in files}))

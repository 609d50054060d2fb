"""A stand-in for Slicer's parameterNodeWrapper (Base/Python/slicer/parameterNodeWrapper of 5.12), as strict as that.

Values are cached and read again when the node is modified; what is read is not validated, what is written is; None is
refused where the type does not name it; a widget and a type that Slicer's connectors do not know raise.
"""

import typing
import weakref

import slicer
import vtk


class Choice:
    """validators.py: Choice."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


class WithinRange:
    """validators.py: WithinRange."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Parameter:
    """One typed parameter of a node: serializers.py, one branch for each kind that the panel has."""

    def __init__(self, name, annotation, defaults):
        kind, *self.limits = (
            typing.get_args(annotation) if typing.get_origin(annotation) is typing.Annotated else (annotation,)
        )
        self.kinds = typing.get_args(kind) if typing.get_origin(kind) is typing.Union else (kind,)
        self.name, plain = name, {str: "", bool: False, int: 0, float: 0}
        self.default = getattr(defaults, name, plain.get(kind))

    def _place(self, index):
        """UnionSerializer: a name for each kind."""
        return f"{self.name}.{index}" if len(self.kinds) > 1 else self.name

    def _index(self, value):
        """UnionSerializer._findBestSerializer; None goes by itself only for a node that is no union."""
        for index, kind in enumerate(self.kinds):
            number = (int, float) if kind is float else kind
            if isinstance(value, number) or (value is None and _isNode(kind) and len(self.kinds) == 1):
                return index
        raise TypeError(f"Unable to write value '{value}' of type '{type(value)}'")

    def isIn(self, node):
        return any(node.HasParameter(self._place(index)) for index in range(len(self.kinds)))

    def write(self, node, value):
        index = self._index(value)
        for limit in self.limits:
            limit.validate(value)
        for k in range(len(self.kinds)):
            node.UnsetParameter(self._place(k))
            node.RemoveNodeReferenceIDs(self._place(k))
        if _isNode(self.kinds[index]):
            node.SetParameter(self._place(index), "")
            node.SetNodeReferenceID(self._place(index), value.GetID() if value is not None else None)
        else:
            node.SetParameter(self._place(index), "True" if value is None else str(value))

    def read(self, node):
        """wrapper.py: _Parameter.read: what is not there is written first."""
        if not self.isIn(node):
            self.write(node, self.default)
        index = next(k for k in range(len(self.kinds)) if node.HasParameter(self._place(k)))
        kind, text = self.kinds[index], node.GetParameter(self._place(index))
        if _isNode(kind):
            return node.GetNodeReference(self._place(index))
        return None if kind is type(None) else text == "True" if kind is bool else kind(text)


def _isNode(kind):
    return issubclass(kind, slicer.vtkMRMLNode)


def _init(self, parameterNode):
    """wrapper.py: _initMethod and _CachedParameterWrapper."""
    self.parameterNode, self._writing, self._guis, self._updating, self._tag = parameterNode, False, {}, False, 0
    for parameter in self.allParameters.values():
        if not parameter.isIn(parameterNode):
            parameter.write(parameterNode, parameter.default)
    self._values = {name: parameter.read(parameterNode) for name, parameter in self.allParameters.items()}
    weak = weakref.ref(self)
    self._tag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: weak()._read())


def _read(self):
    if not self._writing:
        self._values = {name: p.read(self.parameterNode) for name, p in self.allParameters.items()}


def _set(self, name, value):
    self._writing = True
    try:
        with slicer.util.NodeModify(self.parameterNode):
            self.allParameters[name].write(self.parameterNode, value)
            self._values[name] = self.allParameters[name].read(self.parameterNode)
    finally:
        self._writing = False


def _connectGui(self, ui):
    """wrapper.py: _connectGui: every widget with the property SlicerParameterName, and a known one it must be."""
    found = {w.property("SlicerParameterName"): w for w in vars(ui).values() if w.property("SlicerParameterName")}
    unknown = set(found) - set(self.allParameters)
    if unknown:
        raise ValueError(f"Cannot find a param with the given name: {unknown}")
    bindings = [Binding(self, self.allParameters[name], widget) for name, widget in found.items()]
    tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show(tag))
    self._guis[tag] = bindings
    return tag


def _show(self, tag):
    """wrapper.py: _updateGUIFromParameterNode."""
    if not self._updating:
        self._updating = True
        try:
            for binding in self._guis.get(tag, ()):
                binding.write(self._values[binding.name])
        finally:
            self._updating = False


def _disconnectGui(self, tag):
    self.parameterNode.RemoveObserver(tag)
    for binding in self._guis.pop(tag):
        binding.remove()


class Binding:
    """A widget and a parameter kept equal: guiConnectors.py."""

    def __init__(self, parameters, parameter, widget):
        self.name, self._parameters = parameter.name, parameters
        self._signal, self.read, self.write = connector(widget, parameter)
        self.write(parameters._values[self.name])
        self._signal.connect(self._changed)

    def _changed(self, *_value):
        if not self._parameters._updating:
            setattr(self._parameters, self.name, self.read())

    def remove(self):
        self._signal.disconnect(self._changed)


def connector(widget, parameter):
    """(signal, read, write) of a widget; RuntimeError for a pair that guiConnectors.py does not have."""
    import qt

    kind, limits = parameter.kinds[0], parameter.limits
    if type(widget) is qt.QCheckBox and kind is bool:
        return widget.stateChanged, lambda: widget.checked, widget.setChecked
    if (type(widget) is qt.QSpinBox and kind is int) or (type(widget) in _floats() and kind is float):
        widget.minimum, widget.maximum = limits[0].minimum, limits[0].maximum
        return widget.valueChanged, lambda: widget.value, widget.setValue
    if type(widget) is slicer.qMRMLNodeComboBox and all(_isNode(k) or k is type(None) for k in parameter.kinds):
        widget.nodeTypes = [k().GetClassName() for k in parameter.kinds if k is not type(None)]
        return widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode
    if type(widget) is qt.QComboBox and limits:
        choices = limits[0].choices
        widget.clear()
        widget.addItems(choices)
        write = lambda value: widget.setCurrentIndex(choices.index(value))  # noqa: E731
        return widget.currentIndexChanged, lambda: choices[widget.currentIndex], write
    raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")


def _floats():
    import ctk
    import qt

    return (qt.QDoubleSpinBox, ctk.ctkSliderWidget)


def parameterNodeWrapper(cls):
    """wrapper.py: _processClass."""
    hints = typing.get_type_hints(cls, include_extras=True)
    cls.allParameters = {name: Parameter(name, annotation, cls) for name, annotation in hints.items()}
    for name in hints:
        write = lambda self, value, name=name: _set(self, name, value)  # noqa: E731
        setattr(cls, name, property(lambda self, name=name: self._values[name], write))
    cls.__init__, cls._read, cls._show = _init, _read, _show
    cls.connectGui, cls.disconnectGui = _connectGui, _disconnectGui
    cls.__del__ = lambda self: self.parameterNode.RemoveObserver(self._tag)
    for method in ("AddObserver", "RemoveObserver"):
        setattr(cls, method, lambda self, *args, method=method: getattr(self.parameterNode, method)(*args))
    return cls

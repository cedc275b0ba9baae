"""The same verbs as widgets."""

from collections.abc import Mapping

from ..sources import share

__all__ = ["show"]


def show(namespace: Mapping[str, object]):
    """Open the explorer with a notebook's own variables; shown as a cell's last line:
    `explorer.show(globals())`.

    Raises ParameterError for a misspelt parameter or an unknown language, RebroadcastError where
    the packages of the explorer are not installed; all else that is wrong is said in the explorer.
    """
    try:
        from . import explorer
    except ModuleNotFoundError as error:
        raise share.lacking(error.name) from None
    return explorer.show(namespace)

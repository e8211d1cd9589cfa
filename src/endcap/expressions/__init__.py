"""The one expression grammar of Endcap: mappings now, filters and rules by the same words.

SQL-like and closed: literals, columns, operators, CASE, CAST and the functions of `signatures.FUNCTIONS`; nothing can
be called beyond them. Knows text, trees and types. Does not evaluate: who has columns compiles a tree.

    literals     12  1.5  'it''s'  TRUE  FALSE  NULL
    columns      price  "unit price"
    arithmetic   + - * / %         division by zero is NULL; % has the sign of the divisor
    comparison   = <> != < <= > >=  [NOT] IN (…)  [NOT] BETWEEN a AND b  [NOT] LIKE 'a%_'  IS [NOT] NULL
    logic        NOT AND OR         three-valued, as in SQL
    choice       CASE WHEN … THEN … [WHEN …] [ELSE …] END
    conversion   CAST(x AS text | number | integer | boolean | time)   NULL where x does not convert
"""

from endcap.expressions.checker import columns_of, type_of
from endcap.expressions.nodes import Expression, Type
from endcap.expressions.parser import parse
from endcap.expressions.tokens import InvalidExpression

__all__ = ["Expression", "InvalidExpression", "Type", "columns_of", "parse", "type_of"]

"""Money, in whole millionths of a currency."""

from servicekit.values import Value

MOST_MICROS = 2**63 - 1


class Money(Value, frozen=True):
    """An amount in millionths of a currency, which is named by three letters of ISO 4217."""

    micros: int
    currency: str

    def times(self, count: int) -> "Money":
        """So many times as much."""
        return Money(self.micros * count, self.currency)

    def __str__(self) -> str:
        """The amount for people, rounded to hundredths."""
        return f"{self.micros / 1_000_000:,.2f} {self.currency}"

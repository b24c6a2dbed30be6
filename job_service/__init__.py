"""Jobs: their life cycle, their approval, and the ledger of GPU-hours that pays for them."""

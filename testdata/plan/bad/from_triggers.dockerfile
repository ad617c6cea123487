FROM triggers

FROM cypress/included:13
WORKDIR /e2e
COPY cypress.config.js ./
COPY cypress ./cypress
ENV CYPRESS_baseUrl=http://web:3000
ENTRYPOINT ["cypress", "run"]
CMD ["--browser", "chrome", "--spec", "cypress/e2e/**/*.cy.js"]
